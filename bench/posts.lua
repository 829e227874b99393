-- POSTs, for wrk: the same body to each of the paths in turn, under a key of its own each time; each "{n}" in the body is a number of its own
-- too.
-- Arguments: the prefix of the keys, the token, the body, the paths.
local heads, pieces, count = {}, {}, 0

function init(args)
  local body, first = args[3], 1
  while true do
    local from, to = body:find("{n}", first, true)
    pieces[#pieces + 1] = body:sub(first, from and from - 1)
    if not from then break end
    first = to + 1
  end
  for number = 4, #args do
    heads[#heads + 1] = "POST " .. args[number] .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nAuthorization: Bearer " .. args[2]
      .. "\r\nContent-Type: application/json\r\nIdempotency-Key: " .. args[1] .. "-"
  end
end

function request()
  count = count + 1
  local body = table.concat(pieces, count)
  return heads[count % #heads + 1] .. count .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answered":%d,"refused":%d,"broken":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  ))
end
