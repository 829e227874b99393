-- Draws, for wrk: the same body to each of the paths in turn, under a key of its own each time.
-- Arguments: the prefix of the keys, the token, the body, the paths.
local heads, tail, count = {}, "", 0

function init(args)
  tail = "\r\n\r\n" .. args[3]
  for number = 4, #args do
    heads[#heads + 1] = "POST " .. args[number] .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nAuthorization: Bearer " .. args[2]
      .. "\r\nContent-Type: application/json\r\nContent-Length: " .. #args[3] .. "\r\nIdempotency-Key: " .. args[1] .. "-"
  end
end

function request()
  count = count + 1
  return heads[count % #heads + 1] .. count .. tail
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answered":%d,"refused":%d,"broken":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  ))
end
