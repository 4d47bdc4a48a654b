#include "abi/personality.hpp"

#include <array>
#include <cerrno>

#include "abi/bare.hpp"
#include "abi/dragonfly/dragonfly.hpp"
#include "abi/freebsd/freebsd.hpp"
#include "abi/linux/linux.hpp"
#include "abi/netbsd/netbsd.hpp"

namespace sudrun::abi {
namespace {

using Areas = std::vector<std::span<const HandlerEntry>>;

/// Of two of one name the first stands: a system's own is before the shared one.
std::vector<HandlerEntry> all_of(const Areas& areas) {
  std::size_t count = 0;
  for (const auto area : areas) count += area.size();
  std::vector<HandlerEntry> all;
  all.reserve(count);
  for (const auto area : areas) all.insert(all.end(), area.begin(), area.end());
  return all;
}

struct Known {
  std::string_view name;
  std::unique_ptr<Personality> (*make)();
  Areas (*handlers)();
};

template <typename T>
std::unique_ptr<Personality> make() {
  return std::make_unique<T>();
}

constexpr Known kKnown[] = {
    {"bare", make<Bare>, bare_handlers},
    {"dragonfly", make<dragonfly::DragonFly>, dragonfly::handlers},
    {"freebsd", make<freebsd::FreeBsd>, freebsd::handlers},
    {"netbsd", make<netbsd::NetBsd>, netbsd::handlers},
    {"linux", make<linux_abi::Linux>, linux_abi::handlers},
};

}  // namespace

Result Personality::missing_call(Call& call) noexcept {
  static_cast<void>(call);
  return Result::fail(ENOSYS);
}

std::unique_ptr<Personality> make_personality(std::string_view name) {
  for (const Known& known : kKnown)
    if (known.name == name) return known.make();
  return nullptr;
}

std::string personality_names() {
  std::string names;
  for (std::size_t i = 0; i < std::size(kKnown); ++i) {
    if (i != 0) names += i + 1 == std::size(kKnown) ? " or " : ", ";
    names += '`';
    names += kKnown[i].name;
    names += '`';
  }
  return names;
}

std::optional<Personality::Release> release_of(const Table& table, std::string_view text) {
  const std::string_view name = text.empty() ? table.release() : text;
  const std::string_view number = name.substr(0, name.find('-'));
  for (const ReleaseId& known : table.releases())
    if (table.string(known.name) == number) return Personality::Release{std::string(name), known.number};
  if (!text.empty()) return std::nullopt;
  return Personality::Release{std::string(name), 0};
}

std::span<const HandlerEntry> handlers_of(std::string_view personality) noexcept {
  static std::array<std::vector<HandlerEntry>, std::size(kKnown)> all;
  for (std::size_t i = 0; i < std::size(kKnown); ++i) {
    if (kKnown[i].name != personality) continue;
    if (all[i].empty()) all[i] = all_of(kKnown[i].handlers());
    return all[i];
  }
  return {};
}

}  // namespace sudrun::abi
