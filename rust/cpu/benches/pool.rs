//! The cost of a parallel region: entering it, handing out its tasks, and leaving it.
//!
//!     cargo bench -p oxhorn-cpu --bench pool -- [--threads N]
//!
//! One line per number of tasks, fields separated by tabs: tasks, seconds per region with regions back to
//! back, seconds when the workers have gone to sleep in between.

mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use common::{Arguments, fastest};
use oxhorn_cpu::pool::ThreadPool;

fn main() {
    let arguments = Arguments::parse();
    let pool = ThreadPool::new(arguments.threads);
    for tasks in [1, 2, 4, 16, 64] {
        let region = || {
            pool.run(tasks, &|i| {
                black_box(i);
            });
        };
        let together = fastest(region);
        let apart = (0..200).map(|_| {
            std::thread::sleep(Duration::from_micros(300));
            let start = Instant::now();
            region();
            start.elapsed()
        });
        let apart = apart.min().unwrap_or_default().as_secs_f64();
        println!("{tasks}\t{together:e}\t{apart:e}");
    }
}
