#include "runtime/tool.hpp"

#include <sys/auxv.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/launch.hpp"
#include "runtime/own_files.hpp"

namespace sudrun::runtime {

std::optional<int> run_tool(int argc, char** argv) {
  if (argc < 2) return std::nullopt;
  const std::string_view tool = argv[1];
  if (tool != "inspect" && tool != "doctor" && tool != "table") return std::nullopt;
  // Without /proc, which a tool may be wanted to find out, the kernel still tells what was executed.
  std::string self = own_path();
  if (self.empty()) {
    const auto* const executed = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
    self = executed != nullptr ? executed : "";
  }
  constexpr const char* kName = "sudrun-tools";
  const std::string file = own_file(self, kName);
  if (file.empty())
    throw LaunchError(kExitOwnFailure,
                      "its file " + std::string(kName) + " is not there; it is installed with sudrun");
  // The tool is told where sudrun is.
  argv[0] = self.data();
  ::execv(file.c_str(), argv);
  throw LaunchError(kExitOwnFailure, file + ": " + std::strerror(errno));
}

}  // namespace sudrun::runtime
