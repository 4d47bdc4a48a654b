/* Shared by the relay, which is C and runs in other programs, and the runtime that installs it. */
#pragma once

/* Environment variable that tells the relay what it is to know; see exec_relay.c. */
#define SUDRUN_EXEC_RELAY "SUDRUN_EXEC_RELAY"
/* File name of the relay. */
#define SUDRUN_EXEC_RELAY_LIBRARY "libsudrun-exec.so"
