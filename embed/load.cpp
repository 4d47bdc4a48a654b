// Guests: making them, their programs and their memory.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "embed/guest.hpp"
#include "embed/memory.hpp"
#include "embed/status.hpp"
#include "loader/file_source.hpp"
#include "loader/identify.hpp"
#include "runtime/arm_unsafe.hpp"
#include "runtime/descriptor.hpp"
#include "runtime/launch.hpp"
#include "runtime/load.hpp"

using sudrun::embed::Failure;
using sudrun::embed::guarded;
using sudrun::embed::require;
using sudrun::runtime::Descriptor;
using sudrun::runtime::GuestThread;

namespace {

std::string real_path(const char* path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path, nullptr), &std::free);
  return real ? real.get() : path;
}

/// A file in memory with these bytes.
int memory_file(const char* name, const void* bytes, std::size_t size) {
  Descriptor file(static_cast<int>(::memfd_create(name, MFD_CLOEXEC)));
  if (file.get() < 0)
    throw Failure(SUDRUN_E_SYSTEM, std::string("no file in memory: ") + std::strerror(errno));
  const auto* from = static_cast<const char*>(bytes);
  while (size != 0) {
    const ssize_t done = ::write(file.get(), from, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) throw Failure(SUDRUN_E_MEMORY, "no memory is left for the file");
    from += done, size -= static_cast<std::size_t>(done);
  }
  return file.release();
}

std::vector<std::string> strings(const char* const* list) {
  std::vector<std::string> all;
  for (; list != nullptr && *list != nullptr; ++list) all.emplace_back(*list);
  return all;
}

sudrun_thread& load(sudrun_guest& guest, int fd, const std::string& name, const char* const* argv,
                    const char* const* envp) {
  const sudrun::abi::Table& table = guest.process.table();
  std::vector<sudrun::loader::AbiSignature> known{sudrun::loader::signature_of(table)};
  for (const std::string_view abi : sudrun::abi::builtin_abis())
    if (abi != table.abi()) known.push_back(sudrun::loader::signature_of(*sudrun::abi::builtin_table(abi)));
  const sudrun::loader::Classification file = sudrun::loader::classify(sudrun::loader::FileSource(fd), known);
  if (!file.image)
    throw Failure(SUDRUN_E_PROGRAM,
                  name + ": " + (file.script ? "is a script, not a program" : file.message.c_str()));
  if (file.kind == sudrun::loader::FileKind::foreign_elf && file.abi != table.abi())
    throw Failure(SUDRUN_E_PROGRAM, name + ": is a program for " + file.abi + " (" + file.identification.how +
                                        "), and the guest's table is " + std::string(table.abi()));
  std::vector<std::string> arguments = strings(argv);
  if (arguments.empty()) arguments.push_back(name);
  guest.process.program_path() = guest.process.program_file() = name;
  const std::vector<std::string> environment = strings(envp);
  try {
    const sudrun::abi::Registers start =
        sudrun::runtime::load_program(guest.process, {name, *file.image, fd, arguments, environment});
    auto thread = std::make_unique<GuestThread>(guest.process, 0);
    thread->begin(start, 0, {});
    return guest.add_thread(std::move(thread));
  } catch (const sudrun::runtime::LaunchError& error) {
    throw Failure(SUDRUN_E_PROGRAM, error.what());
  }
}

int native_protection(unsigned protection) {
  require((protection & ~(SUDRUN_READ | SUDRUN_WRITE | SUDRUN_EXECUTE)) == 0,
          "`protection` has unknown bits");
  return static_cast<int>(protection);
}
static_assert(SUDRUN_READ == PROT_READ && SUDRUN_WRITE == PROT_WRITE && SUDRUN_EXECUTE == PROT_EXEC);

void not_yet_run(const sudrun_guest* guest) {
  require(guest != nullptr, "`guest` is null");
  if (guest->has_run) throw Failure(SUDRUN_E_STATE, "the guest has run already");
}

}  // namespace

extern "C" {

sudrun_status sudrun_guest_new(const sudrun_table* table, const sudrun_guest_options* options,
                               sudrun_guest** guest, sudrun_error* error) {
  return guarded(error, [&] {
    require(table != nullptr && guest != nullptr, "`table` or `guest` is null");
    *guest = nullptr;
    sudrun_guest_options wanted{};
    if (options != nullptr) {
      require(options->size != 0 && options->size <= sizeof wanted, "`size` of the options is not theirs");
      std::memcpy(&wanted, options, options->size);
    }
    constexpr std::size_t kPage = 4096, kLeast = 128 * 1024, kMost = std::size_t{1} << 30;
    require(wanted.host_stack == 0 || (wanted.host_stack >= kLeast && wanted.host_stack <= kMost),
            "`host_stack` is not from 128 KiB to 1 GiB");
    std::string refused;
    using sudrun::runtime::TrapMode;
    if (sudrun::runtime::choose_trap(TrapMode::sud, false, refused) != TrapMode::sud)
      throw Failure(SUDRUN_E_SYSTEM, refused);
    auto made = std::make_unique<sudrun_guest>(table->data, TrapMode::sud);
    if (wanted.host_stack != 0) made->process.set_host_stack((wanted.host_stack + kPage - 1) / kPage * kPage);
    if (wanted.sysroot != nullptr) {
      struct stat status {};
      if (::stat(wanted.sysroot, &status) != 0 || !S_ISDIR(status.st_mode))
        throw Failure(SUDRUN_E_ARGUMENT,
                      "the sysroot " + std::string(wanted.sysroot) + " is not a directory");
      if (const std::string root = real_path(wanted.sysroot); root != "/") made->process.set_sysroot(root);
    }
    const std::string release = wanted.release != nullptr ? wanted.release : "";
    auto shown = sudrun::abi::release_of(made->process.table(), release);
    if (!shown && !release.empty())
      throw Failure(SUDRUN_E_ARGUMENT,
                    "unknown release `" + release + "` of " + std::string(made->process.table().abi()));
    if (shown) made->process.personality().set_release(std::move(*shown));
    *guest = made.release();
  });
}

sudrun_status sudrun_guest_free(sudrun_guest* guest) {
  if (guest == nullptr) return SUDRUN_OK;
  if (guest->runs() || guest->is_here()) return SUDRUN_E_STATE;
  guest->stop_own_threads();
  delete guest;
  return SUDRUN_OK;
}

sudrun_status sudrun_guest_load_file(sudrun_guest* guest, const char* path, const char* const* argv,
                                     const char* const* envp, sudrun_thread** thread, sudrun_error* error) {
  return guarded(error, [&] {
    require(guest != nullptr && path != nullptr && thread != nullptr, "`guest`, `path` or `thread` is null");
    *thread = nullptr;
    const Descriptor file(::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (file.get() < 0) throw Failure(SUDRUN_E_PROGRAM, std::string(path) + ": " + std::strerror(errno));
    *thread = &load(*guest, file.get(), real_path(path), argv, envp);
  });
}

sudrun_status sudrun_guest_load_memory(sudrun_guest* guest, const void* bytes, size_t size, const char* name,
                                       const char* const* argv, const char* const* envp,
                                       sudrun_thread** thread, sudrun_error* error) {
  return guarded(error, [&] {
    require(guest != nullptr && bytes != nullptr && thread != nullptr,
            "`guest`, `bytes` or `thread` is null");
    *thread = nullptr;
    const char* const shown = name != nullptr ? name : "program";
    const Descriptor file(memory_file("sudrun", bytes, size));
    *thread = &load(*guest, file.get(), shown, argv, envp);
  });
}

sudrun_status sudrun_guest_map(sudrun_guest* guest, size_t size, unsigned protection, uint64_t* address,
                               sudrun_error* error) {
  return guarded(error, [&] {
    require(guest != nullptr && address != nullptr, "`guest` or `address` is null");
    const auto mapped =
        sudrun::embed::map_zeros(guest->process.addresses(), *address, size, native_protection(protection));
    if (mapped == -EINVAL) throw Failure(SUDRUN_E_ARGUMENT, "that is no memory a guest may have");
    if (mapped == -EEXIST) throw Failure(SUDRUN_E_MEMORY, "something is there already");
    if (mapped < 0)
      throw Failure(SUDRUN_E_MEMORY, std::string("not mapped: ") + std::strerror(static_cast<int>(-mapped)));
    *address = static_cast<uint64_t>(mapped);
    guest->loaded(*address, (*address + size + 4095) & ~uint64_t{4095});
  });
}

sudrun_status sudrun_guest_protect(sudrun_guest* guest, uint64_t address, size_t size, unsigned protection,
                                   sudrun_error* error) {
  return guarded(error, [&] {
    require(guest != nullptr, "`guest` is null");
    if (const auto r = sudrun::embed::protect(address, size, native_protection(protection)); r != 0)
      throw Failure(SUDRUN_E_FAULT, std::string("not changed: ") + std::strerror(static_cast<int>(-r)));
  });
}

sudrun_status sudrun_guest_read(sudrun_guest* guest, uint64_t address, void* buffer, size_t size) {
  if (guest == nullptr || (buffer == nullptr && size != 0)) return SUDRUN_E_ARGUMENT;
  return sudrun::embed::copy_from_guest(address, buffer, size) ? SUDRUN_OK : SUDRUN_E_FAULT;
}

sudrun_status sudrun_guest_write(sudrun_guest* guest, uint64_t address, const void* bytes, size_t size) {
  if (guest == nullptr || (bytes == nullptr && size != 0)) return SUDRUN_E_ARGUMENT;
  return sudrun::embed::copy_to_guest(address, bytes, size) ? SUDRUN_OK : SUDRUN_E_FAULT;
}

sudrun_status sudrun_guest_add_file(sudrun_guest* guest, const char* path, const void* bytes, size_t size,
                                    sudrun_error* error) {
  return guarded(error, [&] {
    not_yet_run(guest);
    require(path != nullptr && path[0] == '/', "`path` is not absolute");
    require(bytes != nullptr || size == 0, "`bytes` is null");
    const auto kept = guest->process.hidden().hide(memory_file(path + 1, bytes, size));
    if (kept < 0) throw Failure(SUDRUN_E_SYSTEM, "no descriptor is left");
    const auto [file, added] = guest->process.own_files().try_emplace(path, static_cast<int>(kept));
    if (added) return;
    guest->process.hidden().close(file->second);
    file->second = static_cast<int>(kept);
  });
}

sudrun_status sudrun_guest_on_call(sudrun_guest* guest, int64_t number, sudrun_when when,
                                   sudrun_handler handler, void* user, sudrun_error* error) {
  return guarded(error, [&] {
    not_yet_run(guest);
    require(handler != nullptr, "`handler` is null");
    require(when >= SUDRUN_BEFORE && when <= SUDRUN_AFTER, "`when` is none of sudrun_when");
    require(number >= SUDRUN_EVERY_CALL && number <= 0xffff'ffffLL, "`number` is no number of a call");
    auto& hooks =
        number == SUDRUN_EVERY_CALL ? guest->hooks_of_all : guest->hooks[static_cast<uint64_t>(number)];
    hooks[when].push_back({handler, user});
  });
}

sudrun_status sudrun_guest_add_function(sudrun_guest* guest, sudrun_function function, void* user,
                                        uint64_t* address, sudrun_error* error) {
  return guarded(error, [&] {
    not_yet_run(guest);
    require(function != nullptr && address != nullptr, "`function` or `address` is null");
    if (guest->functions.size() == sudrun::embed::kMostFunctions || guest->gate_page() == 0)
      throw Failure(SUDRUN_E_MEMORY, "there is no room for another function");
    guest->functions.push_back({function, user});
    *address = guest->gate_page() + guest->functions.size() * sudrun::embed::kGatePlace;
  });
}

sudrun_status sudrun_guest_on_thread(sudrun_guest* guest, sudrun_thread_observer observer, void* user,
                                     sudrun_error* error) {
  return guarded(error, [&] {
    not_yet_run(guest);
    guest->observer = observer;
    guest->observer_user = user;
  });
}

}  // extern "C"
