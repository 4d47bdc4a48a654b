// `sudrun table …`: questions about tables. Runs no program.
#pragma once

namespace sudrun::tools {

/// Exit statuses: 0 all is well, 1 differences or problems, 2 wrong use. `argv[0]` is `table`.
int table_command(int argc, char** argv);

}  // namespace sudrun::tools
