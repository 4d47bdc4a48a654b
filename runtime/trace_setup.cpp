#include "runtime/trace_setup.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <system_error>

#include "runtime/gate.hpp"
#include "runtime/launch.hpp"

namespace sudrun::runtime {
namespace {

std::string joined(const std::vector<std::string>& lists) {
  std::string all;
  for (const std::string& list : lists) all += (all.empty() ? "" : ",") + list;
  return all;
}

abi::CallSet calls_to_trace(const TraceOptions& options, const abi::Table& table) {
  if (options.calls.empty()) return abi::CallSet(table, true);
  try {
    return abi::parse_calls(joined(options.calls), table);
  } catch (const abi::OptionError& error) {
    throw LaunchError(kExitOwnFailure, std::string("--trace: ") + error.what());
  }
}

std::uint64_t monotonic_now() noexcept {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * kSecond + static_cast<std::uint64_t>(t.tv_nsec);
}

/// The file's name wherever the program goes; it need not exist.
std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  const std::unique_ptr<char, decltype(&std::free)> here(::getcwd(nullptr, 0), &std::free);
  return here ? std::string(here.get()) + "/" + path : path;
}

int open_output(const TraceOptions& options, HiddenDescriptors& hidden) {
  const std::string path =
      options.separately ? path_of_process(options.file, static_cast<int>(native(SYS_getpid))) : options.file;
  const auto fd = open_trace(path.c_str(), options.append ? 0 : O_TRUNC);
  const auto moved = fd < 0 ? fd : hidden.hide(static_cast<int>(fd));
  if (moved < 0) throw LaunchError(kExitOwnFailure, path + ": " + std::strerror(static_cast<int>(-moved)));
  return static_cast<int>(moved);
}

}  // namespace

std::unique_ptr<Tracer> make_tracer(const TraceOptions& options, const abi::Table& table,
                                    HiddenDescriptors& hidden) {
  if (options.separately && options.file.empty())
    throw LaunchError(kExitOwnFailure, "--output-separately: to which file? expected --output FILE as well");
  if (!options.lines() && !options.summary) return nullptr;
  Tracer::Options to{calls_to_trace(options, table)};
  to.lines = options.lines();
  to.json = options.json;
  to.time = options.time;
  to.origin = options.origin != 0 ? options.origin : monotonic_now();
  if (options.separately) to.separately = absolute(options.file);
  if (!options.file.empty()) to.descriptor = open_output(options, hidden);
  try {
    if (options.summary) to.summary = std::make_unique<Summary>(table, options.counts, hidden);
  } catch (const std::system_error& error) {
    throw LaunchError(kExitOwnFailure, error.what());
  }
  return std::make_unique<Tracer>(std::move(to));
}

std::unique_ptr<Injector> make_injector(const TraceOptions& options, const abi::Table& table) {
  std::vector<abi::Injection> injections;
  for (const std::string& text : options.injections) {
    try {
      if (auto injection = abi::parse_injection(text, table)) injections.push_back(std::move(*injection));
    } catch (const abi::OptionError& error) {
      throw LaunchError(kExitOwnFailure, std::string("--inject: ") + error.what());
    }
  }
  return injections.empty() ? nullptr : std::make_unique<Injector>(std::move(injections));
}

void pass_on(const TraceOptions& options, const Tracer* tracer, std::vector<std::string>& to) {
  for (const std::string& injection : options.injections)
    to.push_back("--inject=" + std::string(injection.starts_with('?') ? "" : "?") + injection);
  if (tracer == nullptr) return;
  if (!options.calls.empty()) to.push_back("--trace=" + abi::tolerant_calls(joined(options.calls)));
  if (options.json) to.emplace_back("--trace-format=json");
  constexpr const char* kTimes[] = {"none", "relative", "absolute", "delta"};
  if (options.time != TraceTime::none)
    to.push_back(std::string("--trace-time=") + kTimes[static_cast<unsigned>(options.time)]);
  if (options.lines()) to.push_back("--trace-origin=" + std::to_string(tracer->origin()));
  if (options.summary) {
    to.emplace_back("--summary");
    to.push_back("--trace-counts=" + tracer->counts());
  }
  if (options.file.empty()) return;
  to.push_back("--output=" + absolute(options.file));
  to.emplace_back("--trace-append");
  if (options.separately) to.emplace_back("--output-separately");
}

}  // namespace sudrun::runtime
