// The command. Everything it does is in launch.hpp; here are options and messages.
#include <sys/auxv.h>

#include <CLI/CLI.hpp>

#include <iostream>
#include <optional>

#include "abi/builtin.hpp"
#include "runtime/launch.hpp"
#include "runtime/tool.hpp"
#include "runtime/trace_command.hpp"
#include "runtime/version.hpp"

namespace {

using namespace sudrun;
using runtime::LaunchOptions;
using runtime::TrapMode;

/// The program and its arguments are what CLI11 leaves over, so it does not know them.
class UsageFormatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override {
    static_cast<void>(app);
    return "Usage: " + (name.empty() ? "sudrun" : name) + " [OPTIONS] PROGRAM [ARGUMENTS...]\n\n";
  }
};

void list_abis() {
  for (const std::string_view name : abi::builtin_abis()) {
    const auto table = abi::builtin_table(name);
    std::size_t full = 0, partial = 0;
    for (const abi::Entry& entry : table->entries()) {
      full += entry.support == abi::Support::full ? 1 : 0;
      partial += entry.support == abi::Support::partial ? 1 : 0;
    }
    std::cout << name << "\t" << table->title() << " (" << table->entries().size() << " calls: " << full
              << " full, " << partial << " partial)\n";
  }
}

struct Wanted {
  LaunchOptions options;
  bool list = false;
};

/// Fills `wanted`, or returns the exit status. What reading takes of the heap is free again before the
/// program runs.
std::optional<int> read_options(int argc, char** argv, Wanted& wanted) {
  LaunchOptions& options = wanted.options;
  CLI::App app("Runs programs built for other operating systems, unchanged.", "sudrun");
  app.formatter(std::make_shared<UsageFormatter>());
  app.footer(
      "sudrun inspect PROGRAM: will it run? sudrun doctor: does this machine do?\n"
      "sudrun table: what do tables say, and is one well written? Each has a --help.\n"
      "Exit status: that of the program; if it dies of a signal, so does sudrun.\n"
      "125: sudrun itself failed; 126: the program cannot be run; 127: it was not found.");
  app.prefix_command();
  app.set_version_flag("-V,--version", std::string("sudrun ") + runtime::kVersion);
  app.add_flag("-v,--verbose", options.verbose, "Say how the program was recognised and is trapped");
  runtime::add_trace_options(app, options.trace);
  app.add_flag("--stats", options.stats,
               "Say at exit how calls were made: trapped, at rewritten sites, in assembly");
  app.add_flag("--perf-map", options.perf_map,
               "Write /tmp/perf-PID.map: what perf calls the code that rewritten calls jump to");
  app.add_option("--abi", options.abi, "Treat the program as one of this ABI")->type_name("NAME");
  app.add_option("--sysroot", options.sysroot, "Look files up in DIR first, then on the host")
      ->type_name("DIR");
  app.add_option("--release", options.release, "Release of its system the program sees, as in 13.2")
      ->type_name("NAME");
  app.add_option("--table", options.table_file, "Read the ABI's table, or changes to it, from a YAML file")
      ->type_name("FILE");
  app.add_option("--table-path", options.table_path, "Directories to look for FILE in, separated by colons")
      ->type_name("DIRS");
  const std::map<std::string, TrapMode> traps{
      {"auto", TrapMode::automatic}, {"sud", TrapMode::sud}, {"seccomp", TrapMode::seccomp}};
  app.add_option("--trap", options.trap, "How calls are trapped: auto, sud or seccomp")
      ->type_name("HOW")
      ->transform(CLI::CheckedTransformer(traps).description(""));
  app.add_flag_callback(
      "--no-rewrite", [&options] { options.rewrite = false; },
      "Trap every call: leave the program's code as it is");
  app.add_option("--argv0", options.argv0, "What the program sees as its own name (argv[0])")
      ->type_name("NAME");
  app.add_flag("--list-abis", wanted.list, "List the ABIs that are built in");
  app.add_option("--rewrite-after", options.rewrite_after)->group("");
  const std::map<std::string, std::uint8_t> saves{
      {"fxsave", VECTOR_FXSAVE}, {"xsave", VECTOR_XSAVE}, {"xinuse", VECTOR_XINUSE}};
  app.add_option("--vector-save", options.vector_save)->transform(CLI::CheckedTransformer(saves))->group("");
  app.add_flag_callback("--empty-argv0", [&options] { options.argv0 = ""; })->group("");
  app.add_option("--program-fd", options.program_fd)->group("");
  app.add_option("--inherit", options.inherited)->delimiter(',')->expected(2)->group("");
  app.add_flag("--host-path", options.host_path)->group("");
  app.add_flag("--inherited-filter", options.inherited_filter)->group("");

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::cerr << "sudrun: " << e.what() << " (see sudrun --help)\n";
    return runtime::kExitOwnFailure;
  }
  if (wanted.list) return std::nullopt;
  std::vector<std::string> rest = app.remaining();
  if (!rest.empty() && rest.front() == "--") {
    rest.erase(rest.begin());
  } else if (!rest.empty() && rest.front().size() > 1 && rest.front().front() == '-') {
    std::cerr << "sudrun: unknown option " << rest.front() << " (see sudrun --help)\n";
    return runtime::kExitOwnFailure;
  }
  if (rest.empty()) {
    std::cerr << "sudrun: no program given (see sudrun --help)\n";
    return runtime::kExitOwnFailure;
  }
  options.program = rest.front();
  options.arguments.assign(rest.begin() + 1, rest.end());
  return std::nullopt;
}

/// The kernel has started sudrun for a foreign program (binfmt_misc with flag P; it tells from Linux 5.12
/// on): the program's path comes first, then all of its arguments, argv[0] included. Not one of them is for
/// sudrun.
std::optional<LaunchOptions> started_by_kernel(int argc, char** argv) {
  constexpr int kFirstArgument = 3;
  constexpr unsigned long kPreserveArgv0 = 1;  // AT_FLAGS_PRESERVE_ARGV0, linux/binfmts.h since 5.12
  if ((::getauxval(AT_FLAGS) & kPreserveArgv0) == 0 || argc < kFirstArgument) return std::nullopt;
  LaunchOptions options;
  options.program = argv[1];
  options.host_path = true;
  options.argv0 = argv[2];
  options.arguments.assign(argv + kFirstArgument, argv + argc);
  return options;
}

int run(int argc, char** argv) {
  Wanted wanted;
  if (const auto status = read_options(argc, argv, wanted)) return *status;
  if (wanted.list) {
    list_abis();
    return 0;
  }
  runtime::launch(wanted.options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (const auto options = started_by_kernel(argc, argv)) runtime::launch(*options);
    if (const auto status = runtime::run_tool(argc, argv)) return *status;
    return run(argc, argv);
  } catch (const runtime::LaunchError& e) {
    std::cerr << "sudrun: " << e.what() << "\n";
    return e.status();
  } catch (const std::exception& e) {
    std::cerr << "sudrun: " << e.what() << "\n";
    return runtime::kExitOwnFailure;
  }
}
