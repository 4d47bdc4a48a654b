// A program's image and its first stack, into guest memory.
#pragma once

#include <span>
#include <string>

#include "abi/registers.hpp"
#include "loader/elf.hpp"

namespace sudrun::runtime {

class Process;

struct LoadRequest {
  const std::string& name;  ///< for messages
  const loader::Image& image;
  int fd;  ///< what the image was parsed from
  std::span<const std::string> argv;
  std::span<const std::string> envp;
};

/// Maps program, interpreter, stack and trampoline, and tells `process` where. Its program_path() and sysroot
/// are set already. Returns the first thread's registers. Throws LaunchError; what was mapped until then
/// stays.
abi::Registers load_program(Process& process, const LoadRequest& request);

}  // namespace sudrun::runtime
