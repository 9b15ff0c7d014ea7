# Rack::Lock beside an empty middleware: nanoseconds that each adds to a request, by the quickest of many short rounds,
# since an empty middleware takes a few hundredths of a microsecond, which is lost in the noise of any one of them.
require "rack"

class Empty
  def initialize(app) @app = app end
  def call(env) @app.call(env) end
end

hello = ->(env) { [200, {"Content-Type" => "text/plain"}, ["hello"]] }
apps = {nothing: hello, empty: Empty.new(hello), lock: Rack::Lock.new(hello)}
env = Rack::MockRequest.env_for("/")

def serve(app, env)
  body = app.call(env)[2]
  body.each { |chunk| chunk }
  body.close if body.respond_to?(:close)
end

def timed(app, env)
  start = Process.clock_gettime(Process::CLOCK_MONOTONIC, :float_second)
  2000.times { serve(app, env) }
  (Process.clock_gettime(Process::CLOCK_MONOTONIC, :float_second) - start) / 2000 * 1e9
end

apps.each_value { |app| timed(app, env) }
rounds = Array.new(200) { apps.to_a.shuffle.map { |name, app| [name, timed(app, env)] }.to_h }
quickest = ->(name) { rounds.map { |round| round[name] }.min }
puts [:empty, :lock].map { |name| quickest.(name) - quickest.(:nothing) }.join(" ")
