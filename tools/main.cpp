// sudrun-tools: what `sudrun inspect`, `doctor` and `table` become. argv[0] is sudrun's own path.
#include <fcntl.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <fstream>
#include <iostream>
#include <string_view>

#include "loader/file_source.hpp"
#include "runtime/launch.hpp"
#include "tools/doctor.hpp"
#include "tools/inspection.hpp"
#include "tools/table_command.hpp"

namespace {

using namespace sudrun;
using runtime::LaunchError;

/// No program is as large; a file that is would only take the memory.
constexpr std::uint64_t kMaxFile = std::uint64_t{256} << 20;

std::vector<std::byte> contents(const loader::FileSource& source, const std::string& name) {
  if (source.size() > kMaxFile)
    throw LaunchError(runtime::kExitOwnFailure, name + ": too large to look into (" +
                                                    std::to_string(source.size() >> 20) + " MiB; up to " +
                                                    std::to_string(kMaxFile >> 20) + ")");
  std::vector<std::byte> bytes(static_cast<std::size_t>(source.size()));
  if (!source.read_at(0, bytes)) throw LaunchError(runtime::kExitNotExecutable, name + ": cannot be read");
  return bytes;
}

struct InspectOptions {
  runtime::LaunchOptions launch;
  bool json = false;
  std::string html;
};

int run_inspect(const InspectOptions& options) {
  const runtime::Candidate candidate = runtime::open_candidate(options.launch);
  const auto& sysroot = candidate.sysroot;
  tools::InspectRequest request;
  request.program = options.launch.program;
  request.file = contents(loader::FileSource(candidate.fd), request.program);
  ::close(candidate.fd);
  request.tables = candidate.tables.all;
  request.abi = options.launch.abi;
  if (request.abi.empty() && !options.launch.table_file.empty())
    request.abi = candidate.tables.all.back().abi();
  if (::access(candidate.path.c_str(), X_OK) != 0)
    request.cannot_start = "no execute permission (chmod +x would give it)";
  request.where_files_are = sysroot ? "the sysroot " + sysroot->root() : "this host";
  request.find_file = [&](const std::string& path) -> std::optional<std::vector<std::byte>> {
    const std::string host = sysroot ? sysroot->host_path(path) : path;
    const int fd = ::open(host.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return std::nullopt;
    const loader::FileSource source(fd);
    std::optional<std::vector<std::byte>> bytes;
    if (source.size() != 0) bytes = contents(source, host);
    ::close(fd);
    return bytes;
  };
  const tools::Inspection inspection = tools::inspect(std::move(request));
  std::cout << (options.json ? tools::json_report(inspection) : tools::text_report(inspection));
  if (!options.html.empty()) {
    std::ofstream file(options.html, std::ios::binary);
    file << tools::html_report(inspection);
    file.close();
    if (!file) throw LaunchError(runtime::kExitOwnFailure, options.html + ": cannot be written");
  }
  return static_cast<int>(inspection.verdict);
}

int run_doctor(const char* sudrun, bool json) {
  const tools::Diagnosis diagnosis = tools::examine(sudrun);
  std::cout << (json ? tools::json_report(diagnosis) : tools::text_report(diagnosis));
  return static_cast<int>(diagnosis.health());
}

int run(int argc, char** argv) {
  // It has commands and exit statuses of its own.
  if (argc > 1 && std::string_view(argv[1]) == "table") return tools::table_command(argc - 1, argv + 1);
  CLI::App app("Tools of sudrun.", "sudrun");
  app.require_subcommand(1);
  InspectOptions inspect;
  CLI::App* const inspecting =
      app.add_subcommand("inspect", "Tell whether a program will run, without running it");
  inspecting->footer(
      "Exit status: 0 it should run; 1 it will as long as it does not make the calls named; 2 it cannot "
      "run;\n"
      "3 nothing missing was found, but not all could be seen. 125: sudrun itself failed; 127: no such "
      "program.");
  inspecting->add_flag("--json", inspect.json, "Write JSON instead of text");
  inspecting->add_option("--html", inspect.html, "Also write a report with the code around each call to FILE")
      ->type_name("FILE");
  inspecting->add_option("--abi", inspect.launch.abi, "Treat the program as one of this ABI")
      ->type_name("NAME");
  inspecting
      ->add_option("--sysroot", inspect.launch.sysroot, "Look for interpreter and libraries in DIR first")
      ->type_name("DIR");
  inspecting
      ->add_option("--table", inspect.launch.table_file,
                   "Read the ABI's table, or changes to it, from a YAML file")
      ->type_name("FILE");
  inspecting
      ->add_option("--table-path", inspect.launch.table_path,
                   "Directories to look for that FILE in, separated by colons")
      ->type_name("DIRS");
  inspecting->add_option("PROGRAM", inspect.launch.program, "The program")->required();
  bool doctor_json = false;
  CLI::App* const examining = app.add_subcommand("doctor", "Tell what this machine offers, and what follows");
  examining->footer("Exit status: 0 programs run well here; 1 they run with losses; 2 they cannot run.");
  examining->add_flag("--json", doctor_json, "Write JSON instead of text");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::cerr << "sudrun: " << e.what() << " (see sudrun " << (argc > 1 ? argv[1] : "") << " --help)\n";
    return runtime::kExitOwnFailure;
  }
  return inspecting->parsed() ? run_inspect(inspect) : run_doctor(argv[0], doctor_json);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const LaunchError& e) {
    std::cerr << "sudrun: " << e.what() << "\n";
    return e.status();
  } catch (const std::exception& e) {
    std::cerr << "sudrun: " << e.what() << "\n";
    return runtime::kExitOwnFailure;
  }
}
