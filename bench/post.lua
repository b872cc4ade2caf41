-- The load: POST with a body from the environment; prints its own figures as one line of JSON.
wrk.method = "POST"
wrk.body = os.getenv("BENCH_BODY")

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"answers":%d,"duration_us":%d,"failed_status":%d,"failed_socket":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
