#include "runtime/load.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "loader/file_source.hpp"
#include "loader/map_unsafe.hpp"
#include "loader/stack.hpp"
#include "runtime/launch.hpp"
#include "runtime/process.hpp"

namespace sudrun::runtime {
namespace {

template <typename T>
T value_or_fail(loader::Outcome<T> outcome, const std::string& program) {
  if (!outcome) throw LaunchError(kExitNotExecutable, program + ": " + outcome.error().message);
  return std::move(*outcome);
}

/// Maps the interpreter (dynamic linker) that a dynamic program names.
loader::MappedImage map_interpreter(const Process& process, const LoadRequest& request) {
  const Sysroot* const sysroot = process.sysroot();
  const std::string& name = request.image.interpreter;
  const std::string path = sysroot != nullptr ? sysroot->host_path(name) : name;
  const std::string what = request.name + ": its interpreter " + name;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
    std::string message = what + " is missing";
    if (sysroot != nullptr) message += " from the sysroot " + sysroot->root();
    message += sysroot != nullptr ? "; it should hold " : "; name a directory that has it by --sysroot DIR: ";
    const std::string_view hint = process.table().sysroot_hint();
    message += hint.empty() ? "the base files of the program's system" : std::string(hint);
    throw LaunchError(kExitNotExecutable, message);
  }
  if (fd < 0) throw LaunchError(kExitNotExecutable, what + " (" + path + "): " + std::strerror(errno));
  const auto outcome = [&]() -> loader::Outcome<loader::MappedImage> {
    using Kind = loader::LoadError::Kind;
    if (::access(path.c_str(), X_OK) != 0) return loader::LoadError{Kind::cannot_map, std::strerror(errno)};
    const auto parsed = loader::parse_elf(loader::FileSource(fd));
    if (!parsed) return parsed.error();
    if (!parsed->interpreter.empty())
      return loader::LoadError{Kind::bad_interpreter, "it needs an interpreter itself"};
    return loader::map_image(*parsed, fd);
  }();
  ::close(fd);
  if (!outcome)
    throw LaunchError(kExitNotExecutable,
                      what + " (" + path + ") cannot be used: " + outcome.error().message);
  return *outcome;
}

}  // namespace

abi::Registers load_program(Process& process, const LoadRequest& request) {
  const loader::Image& image = request.image;
  Embedding* const embedding = process.embedding();
  const auto tell = [&](abi::Word start, abi::Word end) {
    if (embedding != nullptr) embedding->loaded(start, end);
  };
  const auto mapped = value_or_fail(loader::map_image(image, request.fd), request.name);
  tell(mapped.start, mapped.end);
  std::optional<loader::MappedImage> interpreter;
  if (!image.interpreter.empty()) {
    interpreter = map_interpreter(process, request);
    tell(interpreter->start, interpreter->end);
  }
  loader::StackOptions stack_options;
  stack_options.executable = image.stack_prot && (*image.stack_prot & loader::kExec) != 0;
  const auto stack = value_or_fail(loader::map_stack(stack_options), request.name);
  tell(stack.base - loader::kPageSize, stack.top);
  process.set_stack_top(stack.top);
  process.addresses().set_break_start(mapped.break_start);

  abi::ImageInfo info;
  info.entry = mapped.entry;
  info.phdr = mapped.phdr;
  info.phent = image.phent;
  info.phnum = image.phnum;
  info.interpreted = interpreter.has_value();
  info.base = interpreter ? interpreter->bias : mapped.bias;
  info.ehdr_flags = image.flags;
  info.stack_top = stack.top;
  abi::Personality& guest = process.personality();
  if (!guest.trampoline().empty()) {
    const abi::Word at = process.addresses().choose(loader::kPageSize, loader::kPageSize);
    guest.set_trampoline(
        abi::guest_addr(value_or_fail(loader::map_code(at, guest.trampoline()), request.name)));
    tell(at, at + loader::kPageSize);
  }
  // Who watches calls is to see those for the time as well.
  const bool watched = embedding != nullptr || process.tracer() != nullptr || process.injector() != nullptr;
  if (guest.has_time_page() && !watched && TimePage::has_counter()) {
    const abi::Word at = process.addresses().choose(loader::kPageSize, loader::kPageSize);
    process.time_page().place(value_or_fail(loader::map_empty_page(at), request.name));
    guest.set_time_page(abi::guest_addr(process.time_page().address()));
  }
  const auto built = value_or_fail(loader::build_stack(guest.stack_image(info, process.program_path()),
                                                       request.argv, request.envp, stack.top, stack.size()),
                                   request.name);
  loader::copy_to_stack(stack, built.stack_pointer, built.bytes);
  return guest.initial_registers(interpreter ? interpreter->entry : mapped.entry, built.stack_pointer,
                                 built.ps_strings);
}

}  // namespace sudrun::runtime
