-- The mixed traffic of test_soak.py, for wrk: of each hundred requests five fail in one of the application's ways.
local upload = string.rep("x", 100000)
local get = {"/good", "/good", "/good", "/generator/3", "/stream/3"}
local fail = {"/before", "/after", "/body", "/close", "/late"}
local number = 0

request = function()
    number = number + 1
    if number % 20 == 0 then
        return wrk.format("GET", fail[number / 20 % #fail + 1])
    elseif number % 10 == 5 then
        return wrk.format("POST", "/read", {["Content-Length"] = #upload}, upload)
    end
    return wrk.format("GET", get[number % #get + 1])
end
