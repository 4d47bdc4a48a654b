// An inspection as text for people.
#include <algorithm>
#include <set>

#include "loader/text.hpp"
#include "tools/inspection.hpp"

namespace sudrun::tools {
namespace {

using loader::hex;
using loader::printable;

constexpr std::size_t kEntryLines = 12;
constexpr std::size_t kShownNotes = 32, kShownBytes = 20, kShownCallers = 3, kShownWay = 8;

std::string left(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}
std::string right(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

void line(std::string& out, const char* what, const std::string& text) {
  out += left(std::string(what) + ":", 14) + text + "\n";
}

void describe_segments(const loader::Image& image, std::string& out) {
  out += "segments:\n";
  for (const loader::Segment& s : image.segments) {
    out += "  " + left(hex(s.vaddr) + "-" + hex(s.end()), 30) + " " + permissions(s.prot) + "  file " +
           hex(s.offset) + "+" + hex(s.filesz) + "  align " + hex(s.align);
    if (s.memsz > s.filesz) out += "  zeros " + hex(s.memsz - s.filesz);
    out += '\n';
  }
  if (image.tls)
    line(out, "tls",
         hex(image.tls->vaddr) + ", " + hex(image.tls->filesz) + " of " + hex(image.tls->memsz) +
             " bytes initialised, align " + hex(image.tls->align));
  line(out, "stack", image.stack_prot ? permissions(*image.stack_prot) : std::string("not stated"));
}

void describe_notes(const loader::Image& image, std::string& out) {
  if (image.notes.empty()) return;
  out += "notes:\n";
  for (std::size_t i = 0; i < std::min(image.notes.size(), kShownNotes); ++i) {
    const loader::Note& note = image.notes[i];
    out += "  " + printable(note.name, 40) + " type " +
           (note.type < 0x10000 ? std::to_string(note.type) : hex(note.type));
    if (!note.desc.empty()) out += " ";
    for (std::size_t b = 0; b < std::min(note.desc.size(), kShownBytes); ++b)
      out += " " + hex(std::to_integer<unsigned>(note.desc[b]), 2).substr(2);
    out += note.desc.size() > kShownBytes ? " ...\n" : "\n";
  }
  if (image.notes.size() > kShownNotes)
    out += "  and " + std::to_string(image.notes.size() - kShownNotes) + " more\n";
}

/// Who asks for the call: functions, each once.
std::string callers(const Inspection& inspection, const CallRow& row) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const CallRow::Use& use : row.uses) {
    const Module& module = *inspection.modules[use.module];
    const FunctionInfo* const function = module.functions->at(use.at);
    std::string name =
        module.functions->label(function != nullptr && !function->name.empty() ? function->start : use.at);
    if (module.role != Module::Role::program) name += " in " + printable(module.name, 60);
    if (seen.insert(name).second) names.push_back(std::move(name));
  }
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShownCallers); ++i)
    text += (i != 0 ? ", " : "") + names[i];
  if (names.size() > kShownCallers) text += ", and " + std::to_string(names.size() - kShownCallers) + " more";
  return text;
}

std::string way(const Inspection& inspection, const CallRow& row) {
  for (const CallRow::Use& use : row.uses) {
    if (use.way.size() < 2) continue;
    std::string text;
    const std::size_t skip = use.way.size() > kShownWay ? use.way.size() - kShownWay + 1 : 0;
    for (std::size_t i = 0; i < use.way.size(); ++i) {
      if (i > 0 && i <= skip) continue;
      if (i == skip + 1 && skip != 0) text += " > ...";
      text += (i != 0 ? " > " : "") + inspection.modules[use.module]->functions->label(use.way[i]);
    }
    return text;
  }
  return {};
}

void describe_calls(const Inspection& inspection, std::string& out) {
  if (inspection.calls.empty()) return;
  out +=
      "calls (called: direct calls lead there from the program's start; linked: none do, but pointers "
      "may):\n";
  for (const CallRow& row : inspection.calls) {
    out += "  " + right(std::to_string(row.number), 5) + "  " + left(row.name.empty() ? "?" : row.name, 24) +
           " " + left(std::string(support_name(row)), 8) + (row.is_called() ? "called  " : "linked  ") +
           callers(inspection, row) + "\n";
    if (!row.note.empty() && row.support != abi::Support::full) out += "         " + row.note + "\n";
    if (row.is_missing())
      if (const std::string by = way(inspection, row); !by.empty()) out += "         by way of " + by + "\n";
  }
}

std::string numbers_of(const Site& site) {
  std::set<std::uint32_t> numbers;
  for (const NumberUse& use : site.uses) numbers.insert(use.number);
  std::string text;
  for (const std::uint32_t number : numbers) text += (text.empty() ? "" : " ") + std::to_string(number);
  return text;
}

void describe_site(const Module& module, const Site& site, std::string& out) {
  out += "    " + left(hex(site.address), 12) + left(rung_name(site.rung), 16) +
         left(module.functions->label(site.address), 36) + " ";
  if (!site.is_syscall) {
    out += std::string(site.what) + ": a 32-bit way to call, which is not supported\n";
    return;
  }
  const std::string numbers = numbers_of(site);
  if (site.from_caller)
    out += "the number is passed in by the caller" +
           (numbers.empty() ? std::string("; no caller is seen") : ": " + numbers);
  else
    out += numbers.empty() ? "no number can be told" : "number " + numbers;
  out += '\n';
  for (const std::string& doubt : site.doubts) out += "                perhaps others: " + doubt + "\n";
}

void describe_sites(const Inspection& inspection, std::string& out) {
  for (const auto& module : inspection.modules) {
    std::size_t count = module->calls.sites.size();
    out += "call instructions";
    if (module->role != Module::Role::program) out += " of " + printable(module->name);
    out += ": " + std::to_string(count) +
           (module->binary->code_is_by_sections() ? ""
                                                  : " (no usable section headers: segments were searched)") +
           "\n";
    for (const CodeRange& range : module->binary->code())
      out += "  in " + printable(range.name, 40) + " " + hex(range.address) + "-" + hex(range.end()) + "\n";
    for (const Site& site : module->calls.sites) describe_site(*module, site, out);
  }
}

void describe_image(const Inspection& inspection, std::string& out) {
  const loader::Image& image = *inspection.file.image;
  line(out, "format",
       std::string("ELF64 x86-64, ") + (image.is_pie() ? "position-independent" : "fixed addresses") +
           (inspection.file.is_dynamic() ? ", dynamic" : ", static"));
  const auto& id = inspection.file.identification;
  const std::string title = inspection.table ? std::string(inspection.table->title()) + ", " : "";
  line(out, "system",
       id ? title + id.abi + " (by " + id.how + ")" : title + "not recognised (found: " + id.how + ")");
  for (const std::string& version : inspection.versions) line(out, "version", version);
  const Module& program = *inspection.modules.front();
  if (inspection.file.is_dynamic()) line(out, "interpreter", printable(image.interpreter));
  std::string needed;
  for (const std::string_view name : program.binary->dynamic().needed)
    needed += (needed.empty() ? "" : ", ") + printable(name);
  if (!needed.empty()) line(out, "libraries", needed);
  for (const std::string& name : inspection.absent) line(out, "not found", name);
  line(out, "entry", hex(image.entry));
  line(out, "headers",
       std::to_string(image.phnum) + " program headers at " +
           (image.phdr != 0 ? hex(image.phdr) : std::string("no address")));
  describe_segments(image, out);
  describe_notes(image, out);
  const auto code = disassemble(*program.functions, image.entry, kEntryLines);
  if (!code.empty()) out += "code at entry:\n";
  for (const CodeLine& insn : code)
    out += "  " + left(hex(insn.address) + "  " + insn.bytes, 35) + " " + insn.text + "\n";
}

}  // namespace

std::string text_report(const Inspection& inspection) {
  std::string out;
  line(out, "program", printable(inspection.program));
  if (inspection.file.kind == loader::FileKind::script) {
    line(out, "format", "script");
    if (inspection.file.script) line(out, "interpreter", printable(inspection.file.script->interpreter));
    if (inspection.file.script && inspection.file.script->argument)
      line(out, "argument", printable(*inspection.file.script->argument));
  }
  if (inspection.file.image) describe_image(inspection, out);
  for (const std::string& warning : inspection.warnings) line(out, "warning", printable(warning));
  if (inspection.file.image) {
    describe_sites(inspection, out);
    if (inspection.absent.empty() && inspection.modules.size() == 1 && inspection.file.is_dynamic())
      out += "  a dynamic program's calls are in its libraries\n";
    describe_calls(inspection, out);
  }
  line(out, "verdict", inspection.verdict_line);
  return out;
}

}  // namespace sudrun::tools
