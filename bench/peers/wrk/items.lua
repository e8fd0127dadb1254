-- GET one of the 100,000 items, in an order that is the same in every run. PREFIX is what comes before /items.
local prefix = os.getenv("PREFIX") or ""
local number = 0

function request()
  number = number + 1
  return wrk.format("GET", prefix .. "/items/" .. (number * 7919 % 100000 + 1))
end
