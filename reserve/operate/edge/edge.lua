-- What Envoy has no setting for. Each request and each answer passes here, so what is seldom needed stands behind a condition.

local ADDRESSES = {"location", "link", "content-location"}
local HEX = "[0-9a-f]"
local ID = "^" .. HEX:rep(32) .. "$"
local TRACE = "^00%-(" .. HEX:rep(32) .. ")%-" .. HEX:rep(16) .. "%-" .. HEX:rep(2) .. "$"

-- Which traces are kept is worked out from a trace id's lower half, of which a UUID fixes the first bits: the halves change places.
local function id_of(uuid)
  local digits = uuid:gsub("-", "")
  return digits:sub(17) .. digits:sub(1, 16)
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local own = id_of(headers:get("x-request-id"))
  local id = own
  local given = headers:get("x-reserve-request-id")
  if given ~= nil then
    headers:remove("x-reserve-request-id")
    if #given >= 8 and #given <= 64 and given:find("^[%w%-_%.]+$") then
      id = given
    end
  end
  headers:replace("x-request-id", id)
  local parent = headers:get("traceparent")
  local trace = parent ~= nil and parent:match(TRACE)
  if not trace then
    trace = id:find(ID) and id or own
    headers:replace("traceparent", "00-" .. trace .. "-" .. own:sub(17) .. "-00")
    headers:remove("tracestate")
  end
  handle:streamInfo():dynamicMetadata():set("each", "correlation_id", trace)
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
    for name in connection:gmatch("[^,%s]+") do  -- RFC 9110, 7.6.1: they go no further; of a request Envoy sees to it
      headers:remove(name:lower())
    end
  end
  for _, name in ipairs(ADDRESSES) do
    local value = headers:get(name)
    local internal = value ~= nil and handle:metadata():get("internal")
    if internal then
      headers:replace(name, readdressed(value, internal, handle:metadata():get("prefix")))
    end
  end
end
