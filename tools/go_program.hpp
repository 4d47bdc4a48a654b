// What Go's linker leaves in every program, stripped or not: the version, and the table of functions that
// tracebacks need.
#pragma once

#include <string>
#include <vector>

#include "tools/binary.hpp"

namespace sudrun::tools {

struct GoProgram {
  std::string version;  ///< `go1.23.4`; empty: not told
  /// Name and address of every function; sizes are not known. The names live in the file.
  std::vector<Symbol> functions;
  Word table = 0, table_end = 0;  ///< where that table is loaded; 0: none
  bool found = false;             ///< this is a Go program
};

GoProgram read_go_program(const Binary& binary);

}  // namespace sudrun::tools
