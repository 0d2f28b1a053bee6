"""Tests. All of them run before every change lands, on two processors: what one costs, everybody pays each time.

- A registry with many facts is made once for a module and copied, or only read (`RegistryFactory.copy`).
- calreg runs in this process (`tests.cli.Calreg`), as another user in a fork (`tests.users`), to be killed in a fork
  (`harnesses.processes`). A process of its own, half a second, is for what depends on it: imports, streams, signals.
- Panels are small (`small_panels`) where the size of arrays is not the point.
- A test repeats on PostgreSQL where its statements are not those of other tests there (`sqlite_suffices`).
- What goes from one database to another does so from either to the other (`different_databases`): how the one is read
  does not depend on what the other is.
- Of values of a parameter that repeat one thing the first runs by default (`tests.selection.keep_first`), and of
  hypothesis's examples a quarter (`tests.selection.examples`).
- Nothing waits for a time that passes, and no assertion depends on how busy the machine is.
"""
