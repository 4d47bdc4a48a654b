// What somebody may have meant who wrote a name that does not exist.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sudrun::abi {

/// ``; did you mean `NAME`?`` with the nearest of `names`, or `; expected EXPECTED` if none is near.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> names,
                         std::string_view expected);

}  // namespace sudrun::abi
