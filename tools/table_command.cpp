#include "tools/table_command.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <sstream>
#include <vector>

#include "abi/spelling.hpp"
#include "abi/table_document.hpp"
#include "abi/table_files.hpp"
#include "abi/table_freeze.hpp"
#include "abi/yaml_view.hpp"

namespace sudrun::tools {

namespace {

using abi::CallModel;
using abi::TableModel;

constexpr int kWell = 0, kNotWell = 1, kWrongUse = 2;

TableModel model_of(const std::string& name, const abi::TablePath& path) {
  return abi::table_model(abi::load_table(name, path));
}

int check(const std::vector<std::string>& names, const abi::TablePath& path) {
  int status = kWell;
  for (const std::string& name : names) {
    try {
      const abi::LoadedTable loaded = abi::load_table_file(name, path);
      std::cout << name << ": " << loaded.table.abi() << ", " << loaded.table.entries().size() << " calls\n";
    } catch (const abi::TableError& error) {
      std::cerr << error.what() << '\n';
      status = kNotWell;
    }
  }
  return status;
}

void show_summary(const TableModel& model) {
  const auto count = [&](abi::Support support) {
    return std::count_if(model.calls.begin(), model.calls.end(),
                         [&](const CallModel& call) { return call.support == support; });
  };
  std::cout << model.abi << ": " << model.title << "\npersonality: " << model.personality << "\n";
  if (const auto release = model.source.find("release"); release != model.source.end())
    std::cout << "release: " << release->second << "\n";
  std::cout << "calls: " << model.calls.size() << " (" << count(abi::Support::full) << " full, "
            << count(abi::Support::partial) << " partial, " << count(abi::Support::none)
            << " none)\nerrors: " << model.errnos.size() << ", signals: " << model.signals.size()
            << ", flag sets: " << model.flags.size() << ", structures: " << model.structs.size() << "\n\n";
  for (const CallModel& call : model.calls) {
    std::cout << call.number << '\t' << call.name << '\t' << abi::support_name(call.support) << '\n';
  }
}

/// Small numbers as they are, others, which are bits or negative, in hexadecimal digits.
std::string constant(std::uint64_t value) {
  if (value <= 0xffff) return std::to_string(value);
  std::ostringstream text;
  text << "0x" << std::hex << value;
  return text.str();
}

void show_call(const CallModel& call) {
  std::cout << call.number << ' ' << call.name << '(';
  for (std::size_t i = 0; i < call.args.size(); ++i)
    std::cout << (i == 0 ? "" : ", ") << call.args[i].name << ": " << abi::role_text(call.args[i].role);
  std::cout << ") -> " << abi::role_text(call.returns) << "\n  ";
  switch (call.action) {
    case abi::Action::native:
      std::cout << "made by Linux's " << call.target;
      if (call.native_args) {
        std::cout << '(';
        for (std::size_t i = 0; i < call.native_args->size(); ++i) {
          std::cout << (i == 0 ? "" : ", ");
          const abi::NativeArg& arg = (*call.native_args)[i];
          if (const auto* const name = std::get_if<std::string>(&arg)) {
            std::cout << *name;
          } else {
            std::cout << constant(std::get<std::uint64_t>(arg));
          }
        }
        std::cout << ')';
      }
      break;
    case abi::Action::handler:
      std::cout << "made by the handler " << call.target;
      break;
    case abi::Action::error:
      std::cout << "always fails with " << call.target;
      break;
    default:
      std::cout << "not supported";
  }
  if (call.interrupt_fails) std::cout << "; a signal makes it fail";
  if (call.support == abi::Support::partial) std::cout << "; in part";
  std::cout << '\n';
  if (!call.note.empty()) std::cout << "  " << call.note << '\n';
}

int show(const std::string& name, const std::vector<std::string>& calls, const abi::TablePath& path) {
  const TableModel model = model_of(name, path);
  if (calls.empty()) show_summary(model);
  int status = kWell;
  for (const std::string& wanted : calls) {
    const auto number = abi::parse_integer(wanted);
    const auto found = std::find_if(model.calls.begin(), model.calls.end(), [&](const CallModel& call) {
      return call.name == wanted || (number && !number->negative && number->magnitude == call.number);
    });
    if (found == model.calls.end()) {
      std::cerr << "sudrun: " << model.abi << " has no call `" << wanted << '`'
                << abi::did_you_mean(wanted, abi::names_of(model.calls), "a name or number of one it has")
                << '\n';
      status = kNotWell;
      continue;
    }
    show_call(*found);
  }
  return status;
}

int diff(const std::string& before, const std::string& after, const abi::TablePath& path) {
  const std::string text = abi::table_difference(abi::table_document(model_of(before, path)),
                                                 abi::table_document(model_of(after, path)));
  std::cout << text;
  return text.empty() ? kWell : kNotWell;
}

int write_out(const std::string& name, const std::string& format, const abi::TablePath& path) {
  const TableModel model = model_of(name, path);
  if (format == "json") {
    std::cout << abi::table_document(model).dump(2) << '\n';
  } else if (format == "markdown") {
    std::cout << abi::table_markdown(model);
  } else {
    std::cout << abi::table_text(abi::table_document(model));
  }
  return kWell;
}

}  // namespace

int table_command(int argc, char** argv) {
  CLI::App app("Checks, shows, compares and writes out tables of system calls.", "sudrun table");
  app.footer(
      "NAME is a built-in table (sudrun --list-abis), FILE a table file.\n"
      "Exit status: 0 all is well, 1 differences or problems, 2 wrong use.");
  app.require_subcommand(1);
  app.fallthrough();
  std::string dirs, name, other, format = "text";
  std::vector<std::string> rest;
  app.add_option("--table-path", dirs, "Directories to look for FILE in, separated by colons")
      ->type_name("DIRS");
  auto* const check_command = app.add_subcommand("check", "Say what is wrong with table files");
  check_command->add_option("FILE", rest, "Files to check")->required();
  auto* const show_command = app.add_subcommand("show", "Show a table, or some of its calls");
  show_command->add_option("TABLE", name, "A built-in table's NAME, or a FILE")->required();
  show_command->add_option("CALL", rest, "Names or numbers of calls");
  auto* const diff_command = app.add_subcommand("diff", "Say in what two tables differ");
  diff_command->add_option("A", name, "A built-in table's NAME, or a FILE")->required();
  diff_command->add_option("B", other, "Another")->required();
  auto* const export_command =
      app.add_subcommand("export", "Write a table out; text and JSON can be read again");
  export_command->add_option("TABLE", name, "A built-in table's NAME, or a FILE")->required();
  export_command->add_option("--format", format, "text, json or markdown")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"text", "json", "markdown"}).description(""));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    const std::vector<std::string_view> commands{"check", "show", "diff", "export"};
    const std::string_view word = argc > 1 ? argv[1] : "-";
    if (!word.starts_with('-') && std::find(commands.begin(), commands.end(), word) == commands.end()) {
      std::cerr << "sudrun: table has no command `" << word << '`'
                << abi::did_you_mean(word, commands, "check, show, diff or export") << '\n';
      return kWrongUse;
    }
    std::cerr << "sudrun: " << e.what() << " (see sudrun table --help)\n";
    return kWrongUse;
  }
  const abi::TablePath path(dirs);
  try {
    if (check_command->parsed()) return check(rest, path);
    if (show_command->parsed()) return show(name, rest, path);
    if (diff_command->parsed()) return diff(name, other, path);
    return write_out(name, format, path);
  } catch (const abi::TableError& error) {
    for (const abi::Problem& problem : error.problems()) std::cerr << "sudrun: " << problem.text() << '\n';
    return kNotWell;
  }
}

}  // namespace sudrun::tools
