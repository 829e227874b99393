-- What Envoy has no setting for. Each request and each answer passes here, so what is seldom needed stands behind a condition.

local ADDRESSES = {"location", "link", "content-location"}

-- RFC 9110, 7.6.1: what the Connection header names goes no further
local function end_to_end(headers, connection)
  for name in connection:gmatch("[^,%s]+") do
    headers:remove(name:lower())
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local connection = headers:get("x-reserve-connection")
  if connection ~= nil then
    end_to_end(headers, connection)
    headers:remove("x-reserve-connection")
  end
  local given = headers:get("x-reserve-request-id")
  if given ~= nil then
    headers:remove("x-reserve-request-id")
  end
  if given ~= nil and #given >= 8 and #given <= 64 and given:find("^[%w%-_%.]+$") then
    headers:replace("x-request-id", given)
  else
    headers:replace("x-request-id", (headers:get("x-request-id"):gsub("-", "")))
  end
end

-- A service's own address becomes a path at ours, where it is not followed by more of a host or port: http://10.0.0.1:80 is not
-- http://10.0.0.1:8000.
local function readdressed(value, internal, prefix)
  local written, at = {}, 1
  while true do
    local from, to = value:find(internal, at, true)
    if from == nil then
      written[#written + 1] = value:sub(at)
      return table.concat(written)
    end
    local whole = value:find("^[/%?#>;,%s]", to + 1) or to == #value
    written[#written + 1] = value:sub(at, from - 1) .. (whole and prefix or internal)
    at = to + 1
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local connection = headers:get("connection")
  if connection ~= nil then
    end_to_end(headers, connection)
  end
  for _, name in ipairs(ADDRESSES) do
    local value = headers:get(name)
    local internal = value ~= nil and handle:metadata():get("internal")
    if internal then
      headers:replace(name, readdressed(value, internal, handle:metadata():get("prefix")))
    end
  end
end
