//! Who takes part: the backends of `pool`, its peers in Rust, and those in Python.

use Who::*;

/// Somebody who does the work of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// A plain loop.
    Serial,
    ThreadPool,
    Spawn,
    /// The same with values in `codec::Plain`.
    SpawnPlain,
    Fork,
    ForkServer,
    /// A `Process` for each call.
    ProcessSpawn,
    ProcessForkServer,
    /// A `fork_map` for each call.
    ForkMap,
    Rayon,
    Threadpool,
    RustyPool,
    Procspawn,
    /// A process of procspawn for each call.
    ProcspawnOnce,
    IpcChannel,
    IpcBytes,
    IpcMemory,
    /// Python's plain loop.
    PySerial,
    PyPool,
    PyPoolSpawn,
    PyPoolForkServer,
    PyDummy,
    PyProcesses,
    PyThreads,
    Loky,
    Mpire,
    Pebble,
    /// A `multiprocessing.Process` for each call.
    PyProcess,
}

/// What runs the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Serial,
    Threads,
    Processes,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Ours,
    Rusts,
    Pythons,
}

/// The pools of Python that map and call, in the order in which they are shown.
pub(super) const PYTHONS: [Who; 7] = [PyPool, PyProcesses, Loky, Mpire, Pebble, PyDummy, PyThreads];

impl Who {
    /// As tables show it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Serial => "serial",
            ThreadPool => "ThreadPool",
            Spawn => "ProcessPool, Spawn",
            SpawnPlain => "ProcessPool, Spawn, codec::Plain",
            Fork => "ProcessPool, Fork",
            ForkServer => "ProcessPool, ForkServer",
            ProcessSpawn => "Process, Spawn",
            ProcessForkServer => "Process, ForkServer",
            ForkMap => "fork_map",
            Rayon => "rayon",
            Threadpool => "threadpool",
            RustyPool => "rusty_pool",
            Procspawn => "procspawn Pool",
            ProcspawnOnce => "procspawn::spawn",
            IpcChannel => "ipc-channel, bare",
            IpcBytes => "ipc-channel, channel of bytes",
            IpcMemory => "ipc-channel, shared memory",
            PySerial => "Python, serial",
            PyPool => "multiprocessing.Pool",
            PyPoolSpawn => "multiprocessing.Pool, spawn",
            PyPoolForkServer => "multiprocessing.Pool, forkserver",
            PyDummy => "multiprocessing.dummy.Pool",
            PyProcesses => "ProcessPoolExecutor",
            PyThreads => "ThreadPoolExecutor",
            Loky => "loky",
            Mpire => "mpire",
            Pebble => "pebble",
            PyProcess => "multiprocessing.Process",
        }
    }

    /// As `peers.py` knows it.
    pub(super) fn python(self) -> Option<&'static str> {
        Some(match self {
            PySerial | PyProcess => "serial",
            PyPool => "pool",
            PyPoolSpawn => "pool-spawn",
            PyPoolForkServer => "pool-forkserver",
            PyDummy => "dummy",
            PyProcesses => "processes",
            PyThreads => "threads",
            Loky => "loky",
            Mpire => "mpire",
            Pebble => "pebble",
            _ => return None,
        })
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Serial | PySerial => Kind::Serial,
            ThreadPool | Rayon | Threadpool | RustyPool | PyDummy | PyThreads => Kind::Threads,
            _ => Kind::Processes,
        }
    }

    pub(super) fn whose(self) -> Whose {
        match self {
            Serial | ThreadPool | Spawn | SpawnPlain | Fork | ForkServer | ProcessSpawn
            | ProcessForkServer | ForkMap => Whose::Ours,
            _ if self.python().is_some() => Whose::Pythons,
            _ => Whose::Rusts,
        }
    }

    /// The plain loop in its language.
    pub(super) fn serial(self) -> Who {
        if self.whose() == Whose::Pythons { PySerial } else { Serial }
    }
}

/// With whom of ours a peer is compared: threads with threads, processes with those that are started by default.
pub(super) fn like_kind(peer: Who) -> Who {
    match peer.kind() {
        Kind::Serial => Serial,
        Kind::Threads => ThreadPool,
        Kind::Processes => Spawn,
    }
}
