// An inspection as one HTML file that needs no other: no scripts, no links.
#include <set>

#include "loader/text.hpp"
#include "tools/inspection.hpp"

namespace sudrun::tools {
namespace {

constexpr std::size_t kLinesBefore = 8, kLinesAfter = 3;

constexpr std::string_view kStyle =
    "body{font:15px/1.45 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 "
    "1em;color:#222;background:#fff}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.15em .8em;border-bottom:1px solid #ddd;"
    "vertical-align:top}pre{background:#f5f5f5;padding:.6em;overflow-x:auto;font-size:13px}"
    ".verdict{font-size:1.2em;padding:.6em;border-left:.4em "
    "solid}.runs{border-color:#2a7}.unless{border-color:#d90}"
    ".cannot{border-color:#c33}.told{border-color:#888}.none,.unknown{color:#b00;font-weight:bold}"
    ".partial{color:#a60}.full{color:#171}b.site{background:#fd6}summary{cursor:pointer;padding:.2em 0}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}pre{background:#222}td,th{border-"
    "color:#444}"
    "b.site{color:#000}.none,.unknown{color:#f66}.partial{color:#fb5}.full{color:#6d8}}";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

const char* verdict_class(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::runs:
      return "runs";
    case Verdict::unless:
      return "unless";
    case Verdict::cannot:
      return "cannot";
    default:
      return "told";
  }
}

void add_calls(const Inspection& inspection, std::string& out) {
  if (inspection.calls.empty()) return;
  out +=
      "<h2>Calls</h2>\n<p><i>called</i>: direct calls lead there from where the program starts; "
      "<i>linked</i>: "
      "none do, but it may be called through "
      "pointers.</p>\n<table><tr><th>number<th>name<th>support<th><th>note "
      "and way</tr>\n";
  for (const CallRow& row : inspection.calls) {
    out += "<tr><td>" + std::to_string(row.number) + "<td>" + escaped(row.name.empty() ? "?" : row.name);
    out += "<td class=" + std::string(support_name(row)) + ">" + std::string(support_name(row)) + "<td>";
    out += std::string(row.is_called() ? "called" : "linked") + "<td>";
    if (row.support != abi::Support::full) out += escaped(row.note);
    for (const CallRow::Use& use : row.uses) {
      if (use.way.size() < 2) continue;
      out += row.support != abi::Support::full && !row.note.empty() ? "<br><small>" : "<small>";
      for (std::size_t i = 0; i < use.way.size(); ++i)
        out +=
            (i != 0 ? " &gt; " : "") + escaped(inspection.modules[use.module]->functions->label(use.way[i]));
      out += "</small>";
      break;
    }
    out += "</tr>\n";
  }
  out += "</table>\n";
}

void add_site(const Inspection& inspection, const Module& module, const Site& site, std::string& out) {
  std::set<std::uint32_t> numbers;
  for (const NumberUse& use : site.uses) numbers.insert(use.number);
  out += "<details><summary><code>" + loader::hex(site.address) + "</code> " +
         escaped(module.functions->label(site.address)) + ": ";
  if (site.from_caller) out += "number passed in by the caller; ";
  if (numbers.empty()) out += site.is_syscall ? "no number is seen" : escaped(site.what);
  for (const std::uint32_t number : numbers) {
    const auto row = std::find_if(inspection.calls.begin(), inspection.calls.end(),
                                  [&](const CallRow& r) { return r.number == number; });
    out +=
        "<span class=" + std::string(row == inspection.calls.end() ? "unknown" : support_name(*row)) + ">" +
        (row == inspection.calls.end() || row->name.empty() ? std::to_string(number) : escaped(row->name)) +
        "</span> ";
  }
  out += "</summary>\n<p>Rewriting: " + std::string(rung_name(site.rung)) + ".</p>\n";
  for (const std::string& doubt : site.doubts) out += "<p>Perhaps others: " + escaped(doubt) + ".</p>\n";
  out += "<pre>";
  for (const CodeLine& line :
       disassemble_around(*module.functions, site.address, kLinesBefore, kLinesAfter)) {
    std::string text = loader::hex(line.address) + "  " + line.bytes;
    text.resize(std::max<std::size_t>(text.size() + 1, 44), ' ');
    text = escaped(text + line.text);
    out += line.address == site.address ? "<b class=site>" + text + "</b>\n" : text + "\n";
  }
  out += "</pre>\n";
  if (site.from_caller && !site.uses.empty()) {
    out += "<table><tr><th>number<th>asked for by</tr>\n";
    for (const NumberUse& use : site.uses)
      out += "<tr><td>" + std::to_string(use.number) + "<td>" + escaped(module.functions->label(use.at)) +
             "</tr>\n";
    out += "</table>\n";
  }
  out += "</details>\n";
}

}  // namespace

std::string html_report(const Inspection& inspection) {
  const std::string name = escaped(loader::printable(inspection.program));
  std::string out = "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><title>sudrun inspect " + name +
                    "</title>\n<style>" + std::string(kStyle) + "</style>\n<h1>" + name + "</h1>\n";
  out += "<p class=\"verdict " + std::string(verdict_class(inspection.verdict)) + "\">" +
         escaped(inspection.verdict_line) + "</p>\n";
  if (inspection.file.image) {
    const auto& id = inspection.file.identification;
    out += "<table><tr><th>system<td>" + (id ? escaped(id.abi + " (by " + id.how + ")") : "not recognised") +
           "</tr>\n";
    for (const std::string& version : inspection.versions)
      out += "<tr><th>version<td>" + escaped(version) + "</tr>\n";
    for (const loader::Segment& s : inspection.file.image->segments)
      out += "<tr><th>segment<td><code>" + loader::hex(s.vaddr) + "-" + loader::hex(s.end()) + " " +
             permissions(s.prot) + "</code></tr>\n";
    if (inspection.file.is_dynamic())
      out += "<tr><th>interpreter<td>" + escaped(loader::printable(inspection.file.image->interpreter)) +
             "</tr>\n";
    for (const std::string_view needed : inspection.modules.front()->binary->dynamic().needed)
      out += "<tr><th>library<td>" + escaped(loader::printable(needed)) + "</tr>\n";
    for (const std::string& absent : inspection.absent)
      out += "<tr><th>not found<td>" + escaped(absent) + "</tr>\n";
    for (const std::string& warning : inspection.warnings)
      out += "<tr><th>warning<td>" + escaped(loader::printable(warning)) + "</tr>\n";
    out += "</table>\n";
  }
  add_calls(inspection, out);
  for (const auto& module : inspection.modules) {
    out += "<h2>Call instructions of " + escaped(loader::printable(module->name)) + "</h2>\n";
    if (module->calls.sites.empty()) out += "<p>None.</p>\n";
    for (const Site& site : module->calls.sites) add_site(inspection, *module, site, out);
  }
  return out + "</html>\n";
}

}  // namespace sudrun::tools
