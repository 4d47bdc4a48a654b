#include "tools/inspection.hpp"

#include <elf.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "loader/text.hpp"

namespace sudrun::tools {
namespace {

constexpr std::size_t kMaxModules = 200;
constexpr std::size_t kListed = 12;  // calls a verdict names

/// Releases as their kernels number them.
/// FreeBSD: sys/sys/param.h, __FreeBSD_version (15.0: 1500068). NetBSD: sys/sys/param.h, MMmmrrpp00.
/// DragonFly: sys/sys/param.h, __DragonFly_version (6.4: 600400).
std::optional<std::string> release_in(const loader::Note& note) {
  if (note.type != 1) return std::nullopt;
  const auto number = value_at<std::uint32_t>(note.desc, 0);
  if (!number) return std::nullopt;
  const auto text = [&](const char* system, std::uint32_t major, std::uint32_t minor) {
    return "built for " + std::string(system) + " " + std::to_string(major) + "." + std::to_string(minor) +
           " (note: " + std::to_string(*number) + ")";
  };
  if (note.name == "FreeBSD") return text("FreeBSD", *number / 100'000, *number / 1000 % 100);
  if (note.name == "NetBSD") return text("NetBSD", *number / 100'000'000, *number / 1'000'000 % 100);
  if (note.name == "DragonFly") return text("DragonFly BSD", *number / 100'000, *number / 100 % 100);
  return std::nullopt;
}

std::unique_ptr<Module> load_module(std::string name, Module::Role role, std::vector<std::byte> file,
                                    loader::Image image) {
  auto module = std::make_unique<Module>();
  module->name = std::move(name);
  module->role = role;
  module->file = std::move(file);
  module->binary = std::make_unique<Binary>(module->file, std::move(image));
  module->go = read_go_program(*module->binary);
  module->functions = std::make_unique<Functions>(*module->binary, module->go);
  return module;
}

class Inspector {
 public:
  explicit Inspector(InspectRequest request) : request_(std::move(request)) {}

  Inspection run() {
    out_.program = request_.program;
    classify();
    if (out_.file.image) {
      describe_versions();
      out_.modules.push_back(
          load_module(request_.program, Module::Role::program, std::move(request_.file), *out_.file.image));
      load_libraries();
      look_for_calls();
      make_rows();
    }
    decide();
    return std::move(out_);
  }

 private:
  void classify() {
    std::vector<loader::AbiSignature> known;
    for (const abi::Table& table : request_.tables) known.push_back(loader::signature_of(table));
    out_.file = loader::classify(loader::SpanSource(request_.file), known);
    const std::string_view wanted = request_.abi.empty() ? out_.file.abi : request_.abi;
    for (const abi::Table& table : request_.tables)
      if (table.abi() == wanted) out_.table = table;
    if (out_.file.image)
      for (const std::string& warning : out_.file.image->warnings) out_.warnings.push_back(warning);
  }

  void describe_versions() {
    for (const loader::Note& note : out_.file.image->notes)
      if (auto text = release_in(note);
          text && std::find(out_.versions.begin(), out_.versions.end(), *text) == out_.versions.end())
        out_.versions.push_back(std::move(*text));
  }

  void load(const std::string& path, const std::string& name, Module::Role role) {
    if (out_.modules.size() >= kMaxModules) return;
    auto file = request_.find_file ? request_.find_file(path) : std::nullopt;
    if (!file) return;
    auto image = loader::parse_elf(loader::SpanSource(*file), loader::ElfUse::library);
    if (!image) {
      out_.warnings.push_back(name + ": " + image.error().message);
      found_.insert(name);
      return;
    }
    found_.insert(name);
    out_.modules.push_back(load_module(path, role, std::move(*file), std::move(*image)));
  }

  /// Where dynamic linkers of the BSDs look, after what the file itself says.
  std::vector<std::string> directories(const Module& module) const {
    std::vector<std::string> all;
    const std::string own = module.name.substr(0, module.name.rfind('/') + 1);
    for (const std::string_view path : module.binary->dynamic().search_paths) {
      std::string directory(path);
      if (directory.starts_with("$ORIGIN")) directory.replace(0, 7, own.empty() ? "." : own);
      all.push_back(std::move(directory));
    }
    for (const char* const path : {"/lib", "/usr/lib", "/usr/local/lib", "/usr/pkg/lib"})
      all.emplace_back(path);
    return all;
  }

  void load_libraries() {
    if (!out_.file.is_dynamic() || !out_.table || out_.file.identification.native()) return;
    const std::string interpreter = out_.file.image->interpreter;
    load(interpreter, interpreter, Module::Role::interpreter);
    if (!found_.contains(interpreter)) out_.absent.push_back(loader::printable(interpreter));
    for (std::size_t i = 0; i < out_.modules.size(); ++i) {  // grows on the way
      const Module& module = *out_.modules[i];
      for (const std::string_view needed : module.binary->dynamic().needed) {
        const std::string name(needed);
        if (found_.contains(name) || name == interpreter.substr(interpreter.rfind('/') + 1)) continue;
        if (name.find('/') != std::string::npos) load(name, name, Module::Role::library);
        for (const std::string& directory : directories(module))
          if (!found_.contains(name)) load(directory + "/" + name, name, Module::Role::library);
        if (found_.insert(name).second) out_.absent.push_back(loader::printable(name));
      }
    }
  }

  /// Functions of `module` that other modules name, and those whose address is taken: a look from outside
  /// cannot tell who calls them.
  std::vector<Word> roots_of(const Module& module) const {
    std::vector<Word> roots;
    if (module.role == Module::Role::program) return roots;
    std::set<std::string_view> wanted;
    for (const auto& other : out_.modules)
      for (const Symbol& symbol : other->binary->dynamic().symbols)
        if (other.get() != &module && !symbol.defined) wanted.insert(symbol.name);
    for (const FunctionInfo& function : module.functions->all())
      if (function.is_taken) roots.push_back(function.start);
    for (const Symbol& symbol : module.binary->dynamic().symbols)
      if (symbol.defined && wanted.contains(symbol.name)) roots.push_back(symbol.address);
    return roots;
  }

  void look_for_calls() {
    if (!out_.table) return;
    for (const auto& module : out_.modules) {
      module->calls = find_syscalls(*module->functions, out_.table->convention(), module->go.found);
      module->reach = std::make_unique<Reach>(*module->functions, module->go.found, roots_of(*module));
      for (const std::string& remark : module->calls.remarks) out_.warnings.push_back(remark);
    }
    const GoProgram& go = out_.modules.front()->go;
    if (go.found)
      out_.versions.push_back("made by " + (go.version.empty() ? "Go" : loader::printable(go.version, 40)));
  }

  void make_rows() {
    std::map<std::uint32_t, CallRow> rows;
    for (std::size_t i = 0; i < out_.modules.size(); ++i) {
      const Module& module = *out_.modules[i];
      for (const Site& site : module.calls.sites) {
        for (const NumberUse& use : site.uses) {
          CallRow& row = rows[use.number];
          row.number = use.number;
          row.uses.push_back({i, site.address, use.at, module.reach->way_to(use.at)});
        }
      }
    }
    for (auto& [number, row] : rows) {
      const abi::Entry& entry = out_.table->entry(number);
      const auto all = out_.table->entries();
      if (&entry >= all.data() && &entry < all.data() + all.size() && entry.number == number) {
        row.name = out_.table->string(entry.name);
        row.support = entry.support;
        if (entry.note != 0) row.note = out_.table->string(entry.note);
      }
      out_.calls.push_back(std::move(row));
    }
  }

  /// The verdict counts it: of libraries, only what the program can come to.
  bool counts(const CallRow& row) const {
    return std::any_of(row.uses.begin(), row.uses.end(), [&](const CallRow::Use& use) {
      return !use.way.empty() || out_.modules[use.module]->role == Module::Role::program;
    });
  }

  static std::string title_of(const CallRow& row) {
    return row.name.empty() ? std::to_string(row.number) : row.name + " (" + std::to_string(row.number) + ")";
  }

  std::string why_cannot() const {
    if (out_.file.kind == loader::FileKind::script)
      return "it is a script; run its interpreter" +
             (out_.file.script ? ", " + loader::printable(out_.file.script->interpreter) : std::string());
    const bool given = !request_.abi.empty();
    if (const auto reason = loader::why_not_runnable(out_.file);
        reason && !(given && out_.file.image && !out_.file.identification.native()))
      return *reason;
    if (!out_.table) return "there is no table of its system";
    if (!out_.absent.empty()) {
      std::string text =
          out_.absent.size() == 1 ? "a file it needs is not on " : "files it needs are not on ";
      text += request_.where_files_are + ": ";
      for (std::size_t i = 0; i < out_.absent.size(); ++i) text += (i != 0 ? ", " : "") + out_.absent[i];
      if (!out_.table->sysroot_hint().empty())
        text += "; --sysroot DIR names a directory with " + std::string(out_.table->sysroot_hint());
      return text;
    }
    return request_.cannot_start;
  }

  void decide() {
    if (const std::string why = why_cannot(); !why.empty()) {
      out_.verdict = Verdict::cannot;
      out_.verdict_line = "cannot run: " + why;
      return;
    }
    std::string called, linked;
    std::size_t missing = 0, partial = 0, untold = 0;
    for (const CallRow& row : out_.calls) {
      partial += row.support == abi::Support::partial ? 1 : 0;
      if (!row.is_missing() || !counts(row)) continue;
      if (++missing > kListed) continue;
      std::string& list = row.is_called() ? called : linked;
      list += (list.empty() ? "" : ", ") + title_of(row);
    }
    bool old_ways = false;
    for (const auto& module : out_.modules) {
      for (const Site& site : module->calls.sites) {
        const bool reached =
            module->role == Module::Role::program || !module->reach->way_to(site.address).empty();
        untold += reached && !site.doubts.empty() ? 1 : 0;
        old_ways = old_ways || (reached && !site.is_syscall);
      }
    }
    const std::string not_seen = untold == 0 ? ""
                                             : "; of " + std::to_string(untold) + " call instruction" +
                                                   (untold == 1 ? "" : "s") + " not all numbers can be told";
    if (missing != 0 || old_ways) {
      out_.verdict = Verdict::unless;
      std::string list = called;
      if (!linked.empty())
        list += (list.empty() ? "" : ", or ") + linked + " (linked, but no direct call leads there)";
      if (missing > kListed) list += ", and " + std::to_string(missing - kListed) + " more";
      if (old_ways) list += (list.empty() ? "" : ", or ") + std::string("through int 0x80 or sysenter");
      out_.verdict_line = "will run as long as it does not call " + list + not_seen;
      return;
    }
    const bool blind = !out_.modules.empty() && out_.modules.front()->binary->code().empty();
    if (untold != 0 || blind) {
      out_.verdict = Verdict::not_told;
      out_.verdict_line = "nothing is missing of what could be seen" +
                          (blind ? std::string("; there was no code to look at") : not_seen);
      return;
    }
    out_.verdict = Verdict::runs;
    out_.verdict_line = "should run: all calls it can make are supported";
    if (partial != 0) out_.verdict_line += ", " + std::to_string(partial) + " of them in part";
  }

  InspectRequest request_;
  Inspection out_;
  std::set<std::string> found_;
};

std::string bytes_text(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes) text += loader::hex(std::to_integer<unsigned>(b), 2).substr(2);
  return text;
}

}  // namespace

Inspection inspect(InspectRequest request) { return Inspector(std::move(request)).run(); }

std::vector<CodeLine> disassemble(Functions& functions, Word from, std::size_t count) {
  std::vector<CodeLine> lines;
  const CodeRange* const range = functions.binary().code_at(from);
  if (range == nullptr) return lines;
  for (auto rest = range->bytes.subspan(from - range->address); lines.size() < count && !rest.empty();) {
    const Word address = range->end() - rest.size();
    const auto insn =
        functions.disassembler().decode(rest.first(std::min<std::size_t>(rest.size(), 15)), address);
    const std::size_t size = insn ? insn->size : 1;
    CodeLine line{address, bytes_text(rest.first(size)), "(bad)"};
    if (insn) {
      line.text = insn->mnemonic;
      if (!insn->operands.empty()) line.text += " " + std::string(insn->operands);
    }
    lines.push_back(std::move(line));
    rest = rest.subspan(size);
  }
  return lines;
}

std::vector<CodeLine> disassemble_around(Functions& functions, Word address, std::size_t before,
                                         std::size_t after) {
  const FunctionInfo* const function = functions.at(address);
  if (function == nullptr) return {};
  const auto insns = functions.code(*function).insns();
  const auto index = functions.code(*function).index_of(address);
  if (!index) return {};
  const std::size_t first = *index - std::min(*index, before);
  const std::size_t count = std::min(insns.size(), *index + after + 1) - first;
  return disassemble(functions, insns[first].address, count);
}

std::string_view support_name(const CallRow& row) noexcept {
  if (row.name.empty()) return "unknown";
  switch (row.support) {
    case abi::Support::full:
      return "full";
    case abi::Support::partial:
      return "partial";
    default:
      return "none";
  }
}

const char* rung_name(loader::Rung rung) noexcept {
  constexpr std::array<const char*, 4> kNames{"always trapping", "with padding", "with a load",
                                              "to be relocated"};
  return kNames[static_cast<std::size_t>(rung)];
}

std::string permissions(unsigned prot) {
  return {(prot & loader::kRead) ? 'r' : '-', (prot & loader::kWrite) ? 'w' : '-',
          (prot & loader::kExec) ? 'x' : '-'};
}

}  // namespace sudrun::tools
