#include "runtime/own_files.hpp"

#include <unistd.h>

#include <array>
#include <climits>

#include "runtime/version.hpp"

namespace sudrun::runtime {

std::string own_path() {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t length = ::readlink("/proc/self/exe", buffer.data(), buffer.size());
  return length > 0 ? std::string(buffer.data(), static_cast<std::size_t>(length)) : std::string();
}

std::string own_file(const std::string& sudrun, std::string_view name) {
  const std::string directory = sudrun.substr(0, sudrun.rfind('/') + 1);
  const std::string file(name);
  const std::string_view installed = kOwnDirectory;
  const std::string own = (installed.starts_with('/') ? "" : directory) + std::string(installed);
  for (const std::string& candidate : {directory + file, own + "/" + file})
    if (::access(candidate.c_str(), R_OK) == 0) return candidate;
  return {};
}

}  // namespace sudrun::runtime
