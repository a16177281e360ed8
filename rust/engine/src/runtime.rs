//! The current device and the cache of compiled graphs.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};

use oxhorn_core::passes::{PassOptions, optimise};
use oxhorn_core::{Device, Executable, Graph, Plan};
use rustc_hash::FxHashMap;

use crate::Result;

/// Most compiled graphs kept for eager ops and small functions.
const CACHE_CAPACITY: usize = 2048;

/// Locks a mutex whether or not a panic happened while it was held: the data guarded by this crate's
/// mutexes is valid at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device with its cache of executables.
#[derive(Debug)]
pub struct Runtime {
    device: Arc<dyn Device>,
    options: PassOptions,
    cache: Mutex<PlanCache>,
}

/// Counters of the cache of compiled graphs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheInfo {
    /// Lookups that found an executable.
    pub hits: u64,
    /// Lookups that had to compile one.
    pub misses: u64,
    /// Executables dropped to make room.
    pub evictions: u64,
    /// Executables held.
    pub entries: usize,
    /// Most that are held.
    pub capacity: usize,
}

static CURRENT: LazyLock<RwLock<Arc<Runtime>>> = LazyLock::new(|| {
    let threads = oxhorn_cpu::default_threads();
    RwLock::new(Arc::new(Runtime::new(Arc::new(oxhorn_cpu::CpuDevice::new(threads)))))
});

/// What the device wants, less the passes switched off by `OXHORN_DISABLE_PASSES`; every graph is verified
/// if `OXHORN_VERIFY` is set.
fn options(device: &dyn Device) -> PassOptions {
    let disabled = std::env::var("OXHORN_DISABLE_PASSES").unwrap_or_default();
    let mut options = PassOptions::without(&disabled).unwrap_or_else(|error| {
        eprintln!("OXHORN_DISABLE_PASSES={disabled}: {error}; no pass is switched off");
        PassOptions::default()
    });
    options.blocks = device.wants_blocks();
    options.verify |= std::env::var_os("OXHORN_VERIFY").is_some();
    options
}

impl Runtime {
    /// A runtime on `device`.
    pub fn new(device: Arc<dyn Device>) -> Self {
        let options = options(&*device);
        Self { device, options, cache: Mutex::default() }
    }

    /// The runtime that operations of this process use.
    pub fn current() -> Arc<Self> {
        CURRENT.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes `runtime` the one that operations use from now on.
    pub fn set_current(runtime: Arc<Self>) {
        *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = runtime;
    }

    /// The device.
    pub fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    /// Optimises, plans and compiles a graph.
    pub fn compile(&self, graph: Graph) -> Result<Arc<dyn Executable>> {
        let source_nodes = graph.len();
        let graph = optimise(graph, &self.options)?;
        let mut plan = Plan::build_aligned(&graph, self.device.alignment())?;
        plan.source_nodes = source_nodes;
        Ok(self.device.compile(plan)?)
    }

    /// [`Runtime::compile`], or the executable made for an equal graph before.
    pub fn compile_cached(&self, graph: Graph) -> Result<Arc<dyn Executable>> {
        if let Some(found) = lock(&self.cache).get(&graph) {
            return Ok(found);
        }
        let executable = self.compile(graph.clone())?;
        lock(&self.cache).insert(graph, executable.clone());
        Ok(executable)
    }

    /// Counters of the cache.
    pub fn cache_info(&self) -> CacheInfo {
        let cache = lock(&self.cache);
        CacheInfo { entries: cache.entries.len(), capacity: CACHE_CAPACITY, ..cache.info }
    }

    /// Drops every cached executable.
    pub fn clear_cache(&self) {
        lock(&self.cache).entries.clear();
    }
}

/// Least-recently-used map from graphs to executables.
#[derive(Debug, Default)]
struct PlanCache {
    entries: FxHashMap<Graph, (Arc<dyn Executable>, u64)>,
    clock: u64,
    info: CacheInfo,
}

impl PlanCache {
    fn get(&mut self, graph: &Graph) -> Option<Arc<dyn Executable>> {
        self.clock += 1;
        match self.entries.get_mut(graph) {
            Some((executable, used)) => {
                *used = self.clock;
                self.info.hits += 1;
                Some(executable.clone())
            }
            None => {
                self.info.misses += 1;
                None
            }
        }
    }

    fn insert(&mut self, graph: Graph, executable: Arc<dyn Executable>) {
        if self.entries.len() >= CACHE_CAPACITY {
            self.evict();
        }
        self.entries.insert(graph, (executable, self.clock));
    }

    /// Drops the older half at once, so that the sweep costs little per insertion.
    fn evict(&mut self) {
        let mut ages: Vec<u64> = self.entries.values().map(|&(_, used)| used).collect();
        ages.sort_unstable();
        let median = ages[ages.len() / 2];
        let before = self.entries.len();
        self.entries.retain(|_, (_, used)| *used > median);
        self.info.evictions += (before - self.entries.len()) as u64;
    }
}
