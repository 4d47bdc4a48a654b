// An inspection as JSON. docs/inspect.md says what the members mean.
#include <nlohmann/json.hpp>

#include "loader/text.hpp"
#include "tools/inspection.hpp"

namespace sudrun::tools {
namespace {

using nlohmann::ordered_json;

std::string_view verdict_name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::runs:
      return "runs";
    case Verdict::unless:
      return "runs-unless";
    case Verdict::cannot:
      return "cannot-run";
    default:
      return "not-told";
  }
}

std::string_view role_name(Module::Role role) noexcept {
  switch (role) {
    case Module::Role::program:
      return "program";
    case Module::Role::interpreter:
      return "interpreter";
    default:
      return "library";
  }
}

ordered_json image_json(const loader::Image& image) {
  ordered_json out;
  out["position_independent"] = image.is_pie();
  out["entry"] = image.entry;
  if (!image.interpreter.empty()) out["interpreter"] = loader::printable(image.interpreter);
  for (const loader::Segment& s : image.segments)
    out["segments"].push_back({{"address", s.vaddr},
                               {"memory_size", s.memsz},
                               {"file_offset", s.offset},
                               {"file_size", s.filesz},
                               {"permissions", permissions(s.prot)}});
  for (const loader::Note& note : image.notes)
    out["notes"].push_back({{"name", loader::printable(note.name, 40)}, {"type", note.type}});
  return out;
}

ordered_json site_json(const Module& module, const Site& site) {
  ordered_json out;
  out["address"] = site.address;
  out["instruction"] = site.what;
  out["function"] = module.functions->label(site.address);
  out["rewriting"] = rung_name(site.rung);
  out["number_from_caller"] = site.from_caller;
  out["numbers"] = ordered_json::array();
  for (const NumberUse& use : site.uses) {
    ordered_json row{{"number", use.number}, {"at", use.at}, {"function", module.functions->label(use.at)}};
    for (const Word stub : use.via) row["via"].push_back(module.functions->label(stub));
    if (use.indirect) row["indirect"] = true;
    out["numbers"].push_back(std::move(row));
  }
  if (!site.doubts.empty()) out["doubts"] = site.doubts;
  return out;
}

ordered_json call_json(const Inspection& inspection, const CallRow& row) {
  ordered_json out;
  out["number"] = row.number;
  if (!row.name.empty()) out["name"] = row.name;
  out["support"] = support_name(row);
  if (!row.note.empty()) out["note"] = row.note;
  out["called"] = row.is_called();
  for (const CallRow::Use& use : row.uses) {
    if (use.way.empty()) continue;
    for (const Word function : use.way)
      out["way"].push_back(inspection.modules[use.module]->functions->label(function));
    break;
  }
  return out;
}

}  // namespace

std::string json_report(const Inspection& inspection) {
  ordered_json out;
  out["program"] = loader::printable(inspection.program);
  out["verdict"] = verdict_name(inspection.verdict);
  out["verdict_text"] = inspection.verdict_line;
  if (!inspection.file.message.empty()) out["error"] = inspection.file.message;
  if (inspection.file.identification) {
    out["abi"] = inspection.file.identification.abi;
    out["recognised_by"] = inspection.file.identification.how;
  }
  if (!inspection.versions.empty()) out["versions"] = inspection.versions;
  if (inspection.file.image) out["image"] = image_json(*inspection.file.image);
  if (!inspection.absent.empty()) out["not_found"] = inspection.absent;
  for (const std::string& warning : inspection.warnings)
    out["warnings"].push_back(loader::printable(warning));
  out["calls"] = ordered_json::array();
  for (const CallRow& row : inspection.calls) out["calls"].push_back(call_json(inspection, row));
  for (const auto& module : inspection.modules) {
    ordered_json file{{"file", loader::printable(module->name)}, {"role", role_name(module->role)}};
    for (const std::string_view name : module->binary->dynamic().needed)
      file["needs"].push_back(loader::printable(name));
    file["sites"] = ordered_json::array();
    for (const Site& site : module->calls.sites) file["sites"].push_back(site_json(*module, site));
    out["files"].push_back(std::move(file));
  }
  // All names are made printable above; what a table holds may be any UTF-8.
  return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace sudrun::tools
