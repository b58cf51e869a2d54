-- What wrk(1) sends in each scenario, and its result as one line of JSON.

function init(args)
    local scenario = args[1]
    if scenario == "close" then
        wrk.headers["Connection"] = "close"
    elseif scenario == "post" or scenario == "apost" then
        wrk.method = "POST"
        wrk.headers["Content-Type"] = "application/octet-stream"
        wrk.body = string.rep("x", 10240)
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "errors": %d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout
    ))
end
