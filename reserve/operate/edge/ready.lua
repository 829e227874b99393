-- /readyz: ready when every service is; else 503 and what each one says.
function envoy_on_request(handle)
  local said, ready = {}, true
  for _, name in ipairs(SERVICES) do
    local asked = {[":method"] = "GET", [":path"] = "/readyz", [":authority"] = name}
    local answer, body = handle:httpCall(name, asked, nil, 2000)
    local status = answer[":status"]
    local state = "ready"
    if status ~= "200" then
      ready = false
      state = body and body:find("^upstream ") and "unreachable" or "not ready (" .. status .. ")"
    end
    said[#said + 1] = string.format('"%s": "%s"', name, state)
  end
  local answer = {["content-type"] = "application/json", ["cache-control"] = "no-store"}
  answer[":status"] = ready and "200" or "503"
  handle:respond(answer, string.format('{"status": "%s", "services": {%s}}', ready and "ready" or "not_ready", table.concat(said, ", ")))
end
