#include "abi/personality.hpp"

#include <initializer_list>

#include "abi/freebsd/freebsd.hpp"
#include "abi/linux/linux.hpp"

namespace sudrun::abi {
namespace {

std::vector<HandlerEntry> all_of(std::initializer_list<std::span<const HandlerEntry>> areas) {
  std::size_t count = 0;
  for (const auto area : areas) count += area.size();
  std::vector<HandlerEntry> all;
  all.reserve(count);
  for (const auto area : areas) all.insert(all.end(), area.begin(), area.end());
  return all;
}

}  // namespace

std::unique_ptr<Personality> make_personality(std::string_view name) {
  if (name == "freebsd") return std::make_unique<freebsd::FreeBsd>();
  if (name == "linux") return std::make_unique<linux_abi::Linux>();
  return nullptr;
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
  if (personality == "freebsd") {
    static const std::vector<HandlerEntry> all =
        all_of({freebsd::file_handlers(),      freebsd::stat_handlers(),       freebsd::socket_handlers(),
                freebsd::ioctl_handlers(),     freebsd::kqueue_handlers(),     freebsd::poll_handlers(),
                freebsd::sysctl_handlers(),    freebsd::time_handlers(),       freebsd::umtx_handlers(),
                freebsd::system_handlers(),    freebsd::thread_handlers(),     freebsd::signal_handlers(),
                freebsd::memory_handlers(),    freebsd::process_handlers(),    freebsd::posix_mq_handlers(),
                freebsd::posix_sem_handlers(), freebsd::sysv_sem_handlers(),   freebsd::sysv_msg_handlers(),
                freebsd::sysv_shm_handlers(),  freebsd::extattr_handlers(),    freebsd::file_flag_handlers(),
                freebsd::at_handlers(),        freebsd::event_file_handlers(), freebsd::privileged_handlers(),
                freebsd::kernel_handlers(),    freebsd::credential_handlers(), freebsd::aio_handlers()});
    return all;
  }
  if (personality == "linux") {
    static const std::vector<HandlerEntry> all = all_of(
        {linux_abi::memory_handlers(), linux_abi::signal_handlers(), linux_abi::wait_handlers(),
         linux_abi::thread_handlers(), linux_abi::process_handlers(), linux_abi::descriptor_handlers()});
    return all;
  }
  return {};
}

}  // namespace sudrun::abi
