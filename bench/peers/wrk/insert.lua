-- POST an item.
local prefix = os.getenv("PREFIX") or ""

wrk.headers["Content-Type"] = "application/json"

function request()
  return wrk.format("POST", prefix .. "/items", nil, '{"name": "bench", "price": 1.5}')
end
