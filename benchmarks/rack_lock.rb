# Rack::Lock beside an empty middleware: nanoseconds that each adds to a request, medians of paired rounds.
require "rack"

class Empty
  def initialize(app) @app = app end
  def call(env) @app.call(env) end
end

hello = ->(env) { [200, {"Content-Type" => "text/plain"}, ["hello"]] }
apps = {nothing: hello, empty: Empty.new(hello), lock: Rack::Lock.new(hello)}
env = Rack::MockRequest.env_for("/")

def serve(app, env)
  body = app.call(env.dup)[2]
  body.each { |chunk| chunk }
  body.close if body.respond_to?(:close)
end

def timed(app, env)
  start = Process.clock_gettime(Process::CLOCK_MONOTONIC, :float_second)
  5000.times { serve(app, env) }
  (Process.clock_gettime(Process::CLOCK_MONOTONIC, :float_second) - start) / 5000 * 1e9
end

apps.each_value { |app| timed(app, env) }
rounds = Array.new(30) { apps.to_a.shuffle.map { |name, app| [name, timed(app, env)] }.to_h }
median = ->(name) { rounds.map { |round| round[name] - round[:nothing] }.sort[rounds.size / 2] }
puts [median.(:empty), median.(:lock)].join(" ")
