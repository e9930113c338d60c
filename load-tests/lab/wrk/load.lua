-- The load of one wrk run. The lab writes the plan as a Lua table (lab/wrk.py) and reads what `done` prints.
--
-- A plan has:
--   prefix    what names of this load begin with
--   pause     mean of the exponential pause before each request of a connection in ms, or nil: then a closed loop
--   count     whether answers are counted by status; without it wrk looks at nothing, which is fastest
--   requests  a list of { weight, method, path, headers, body }; {name} in path or body becomes a new name
--   tokens    refresh tokens, or nil; {token} in a body is one of them, and the answer brings the next
local plan = dofile(os.getenv("LAB_PLAN"))

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

local digits = "bcdfghjkpqstvxyz23456789"

-- As `spell` of lab/names.py.
local function spell(value, width)
  local text = ""
  while value > 0 or #text < width do
    local digit = value % #digits
    text = digits:sub(digit + 1, digit + 1) .. text
    value = (value - digit) / #digits
  end
  return text
end

local named, tokens, weights = 0, {}, 0

local function new_name()
  named = named + 1
  return plan.prefix .. spell(number, 1) .. spell(named, 3)
end

local function choose()
  local left = math.random() * weights
  for _, one in ipairs(plan.requests) do
    left = left - one.weight
    if left <= 0 then
      return one
    end
  end
  return plan.requests[#plan.requests]
end

-- Fills the placeholders that a text has. A function as the replacement keeps `%` of a value as it is.
local function fill(text)
  if not text then
    return text
  end
  text = text:gsub("{name}", new_name)
  return (text:gsub("{token}", function()
    return table.remove(tokens, 1) or "none-left"
  end))
end

local function make()
  local one = choose()
  return wrk.format(one.method, fill(one.path), one.headers, fill(one.body))
end

local function look(status, headers, body)
  local key = tostring(status)
  statuses[key] = (statuses[key] or 0) + 1
  if status == 429 or status == 503 then
    local found = false
    for name in pairs(headers) do
      found = found or name:lower() == "retry-after"
    end
    if not found then
      without_retry_after = without_retry_after + 1
    end
  end
  if status < 300 then
    local second = tostring(os.time())
    seconds[second] = (seconds[second] or 0) + 1
  end
  if plan.tokens and status == 200 then
    table.insert(tokens, body:match('"refresh_token":"([^"]+)"'))
  end
end

-- Runs in each thread once its requests may be made. Globals are what `done` can read of a thread.
function init()
  statuses, seconds, without_retry_after = {}, {}, 0
  math.randomseed(os.time() * 31 + number)
  for _, one in ipairs(plan.requests) do
    weights = weights + one.weight
  end
  for index, token in ipairs(plan.tokens or {}) do
    if index % plan.threads == number then
      table.insert(tokens, token)
    end
  end
  for _, one in ipairs(plan.requests) do
    one.headers["Host"] = wrk.host .. ":" .. wrk.port
  end
  local only = plan.requests[1]
  if #plan.requests == 1 and not (only.path .. (only.body or "")):find("{%a+}") then
    -- One request, always the same: without a function `request` wrk sends it and asks this script nothing.
    wrk.method, wrk.path, wrk.headers, wrk.body = only.method, only.path, only.headers, only.body
  else
    request = make
  end
  if plan.count then
    response = look
  end
  if plan.pause then
    delay = function()
      return math.floor(-plan.pause * math.log(1 - math.random()) + 0.5)
    end
  end
end

-- The counts of all threads under a name, as a JSON object.
local function sum(name)
  local counts, list = {}, {}
  for _, thread in ipairs(threads) do
    for key, count in pairs(thread:get(name)) do
      counts[key] = (counts[key] or 0) + count
    end
  end
  for key, count in pairs(counts) do
    table.insert(list, string.format('"%s": %d', key, count))
  end
  return "{" .. table.concat(list, ", ") .. "}"
end

function done(summary)
  local missing = 0
  for _, thread in ipairs(threads) do
    missing = missing + thread:get("without_retry_after")
  end
  local errors = summary.errors
  print(string.format(
    '\nLAB {"requests": %d, "seconds": %.6f, "refused": %d, "statuses": %s, "good": %s, "without_retry_after": %d, '
      .. '"errors": {"connect": %d, "read": %d, "write": %d, "timeout": %d}}',
    summary.requests, summary.duration / 1e6, errors.status, sum("statuses"), sum("seconds"), missing,
    errors.connect, errors.read, errors.write, errors.timeout
  ))
end
