//! Speed of matrix products: Oxhorn's, and those of the crates `gemm` and `gemmkit`.
//!
//!     cargo bench -p oxhorn-cpu --bench gemm -- [--threads N] [--sides a,b] [--list] [FILTER ...]
//!
//! One line per shape and side, fields separated by tabs: group, layout, batch, m, n, k, side, seconds. A
//! filter is a part of the group's name or a size such as 128x32x784. `benches/gemm.py` runs this beside
//! NumPy and makes a table.

mod common;

use common::{Arguments, fastest, rough};
use half::{bf16, f16};
use oxhorn_cpu::gemm::{Epilogue, GemmDims, GemmElem, MatMut, MatRef, gemm};
use oxhorn_cpu::pool::ThreadPool;

/// A product: C (batch, m, n) = A (batch, m, k) B (batch, k, n), operands possibly stored transposed.
#[derive(Debug, Clone, Copy)]
struct Shape {
    group: &'static str,
    batch: usize,
    m: usize,
    n: usize,
    k: usize,
    transposed: (bool, bool),
}

/// The shapes: what layers of common sizes ask for, forward (NN) and backward (NT, TN).
fn shapes() -> Vec<Shape> {
    let mut all = Vec::new();
    let mut add = |group: &'static str, batch: usize, sizes: [usize; 3], layouts: &[&str]| {
        for layout in layouts {
            let transposed = (layout.starts_with('T'), layout.ends_with('T'));
            let [m, n, k] = sizes;
            all.push(Shape { group, batch, m, n, k, transposed });
        }
    };
    add("mlp", 1, [128, 32, 784], &["NN"]);
    add("mlp", 1, [784, 32, 128], &["TN"]);
    add("mlp", 1, [128, 10, 32], &["NN"]);
    add("mlp", 1, [8, 64, 64], &["NN", "NT", "TN"]);
    add("mlp", 1, [64, 512, 784], &["NN"]);
    add("mlp", 1, [128, 512, 784], &["NN", "NT", "TN"]);
    add("mlp", 1, [256, 256, 256], &["NN", "NT", "TN"]);
    add("wide", 1, [256, 2048, 1024], &["NN", "NT", "TN"]);
    add("wide", 1, [256, 2048, 2048], &["NN", "NT", "TN"]);
    add("wide", 1, [2048, 1024, 256], &["NN", "TN"]);
    add("square", 1, [512, 512, 512], &["NN", "NT", "TN"]);
    add("square", 1, [1024, 1024, 1024], &["NN"]);
    add("square", 1, [2048, 2048, 2048], &["NN"]);
    add("square", 1, [4096, 4096, 4096], &["NN"]);
    add("transformer", 1, [2048, 768, 256], &["NN"]);
    add("transformer", 1, [2048, 256, 768], &["NT"]);
    add("transformer", 1, [256, 768, 2048], &["TN"]);
    add("attention", 64, [128, 128, 64], &["NT"]);
    add("attention", 64, [128, 64, 128], &["NN", "TN"]);
    add("pointwise", 1, [100_352, 64, 64], &["NN"]);
    add("pointwise", 1, [25_088, 256, 64], &["NN"]);
    add("pointwise", 1, [6272, 128, 512], &["NN"]);
    add("pointwise", 1, [784, 512, 2048], &["NN"]);
    add("predict", 1, [1, 32, 784], &["NN"]);
    add("predict", 1, [1, 2048, 1024], &["NN", "NT"]);
    add("predict", 1, [1024, 1, 1024], &["NN"]);
    add("predict", 1, [8, 512, 512], &["NN", "NT"]);
    add("predict", 1, [16, 1024, 256], &["NN"]);
    all
}

impl Shape {
    fn layout(&self) -> String {
        let letter = |transposed| if transposed { 'T' } else { 'N' };
        [letter(self.transposed.0), letter(self.transposed.1)].iter().collect()
    }

    fn matches(&self, filters: &[String]) -> bool {
        let Self { group, m, n, k, .. } = self;
        let names = [format!("{group} {}", self.layout()), format!("{m}x{n}x{k}")];
        filters.is_empty() || filters.iter().any(|f| names.iter().any(|name| name.contains(f.as_str())))
    }

    /// Strides of A's rows and columns, and of B's.
    fn strides(&self) -> [(usize, usize); 2] {
        let of = |rows, cols, transposed| if transposed { (1, rows) } else { (cols, 1) };
        [of(self.m, self.k, self.transposed.0), of(self.k, self.n, self.transposed.1)]
    }

    /// The time of one of Oxhorn's products of element type `T`.
    fn oxhorn<T: GemmElem>(&self, pool: &ThreadPool, from: impl Fn(f32) -> T) -> f64 {
        let &Self { batch, m, n, k, .. } = self;
        let convert = |x: Vec<f32>| x.into_iter().map(&from).collect::<Vec<T>>();
        let (a, b) = (convert(rough(batch * m * k, 1)), convert(rough(batch * k * n, 2)));
        let mut c = convert(vec![0.0; batch * m * n]);
        let [(a_rows, a_cols), (b_rows, b_cols)] = self.strides();
        fastest(|| {
            gemm(
                pool,
                &GemmDims { batch, m, n, k },
                MatRef { data: &a, row_stride: a_rows, col_stride: a_cols, batch_stride: m * k },
                MatRef { data: &b, row_stride: b_rows, col_stride: b_cols, batch_stride: k * n },
                MatMut { data: &mut c, row_stride: n, batch_stride: m * n },
                false,
                Epilogue::default(),
            );
        })
    }

    fn gemm_crate(&self, threads: usize) -> f64 {
        let &Self { batch, m, n, k, .. } = self;
        let (a, b) = (rough(batch * m * k, 1), rough(batch * k * n, 2));
        let mut c = vec![0.0f32; batch * m * n];
        let [a_strides, b_strides] = self.strides().map(|(rows, cols)| (rows as isize, cols as isize));
        let parallelism =
            if threads == 1 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(threads) };
        fastest(|| {
            for i in 0..batch {
                // SAFETY: the operands have the sizes and strides that are passed.
                unsafe {
                    gemm::gemm(
                        m,
                        n,
                        k,
                        c.as_mut_ptr().add(i * m * n),
                        1,
                        n as isize,
                        false,
                        a.as_ptr().add(i * m * k),
                        a_strides.1,
                        a_strides.0,
                        b.as_ptr().add(i * k * n),
                        b_strides.1,
                        b_strides.0,
                        0.0,
                        1.0,
                        false,
                        false,
                        false,
                        parallelism,
                    );
                }
            }
        })
    }

    fn gemmkit(&self, threads: usize) -> f64 {
        let &Self { batch, m, n, k, .. } = self;
        let (a, b) = (rough(batch * m * k, 1), rough(batch * k * n, 2));
        let mut c = vec![0.0f32; batch * m * n];
        let [a_strides, b_strides] = self.strides().map(|(rows, cols)| (rows as isize, cols as isize));
        let parallelism =
            if threads == 1 { gemmkit::Parallelism::Serial } else { gemmkit::Parallelism::Rayon(threads) };
        fastest(|| {
            gemmkit::gemm_batched(
                batch,
                1.0,
                gemmkit::MatRef::new(&a, m, k, a_strides.0, a_strides.1),
                (m * k) as isize,
                gemmkit::MatRef::new(&b, k, n, b_strides.0, b_strides.1),
                (k * n) as isize,
                0.0,
                gemmkit::MatMut::new(&mut c, m, n, n as isize, 1),
                (m * n) as isize,
                parallelism,
            );
        })
    }
}

fn main() {
    let arguments = Arguments::parse();
    // The peers' pool has the same number of threads.
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", arguments.threads.to_string()) };
    let pool = ThreadPool::new(arguments.threads);
    let threads = arguments.threads;
    for shape in shapes().iter().filter(|shape| shape.matches(&arguments.filters)) {
        let Shape { group, batch, m, n, k, .. } = shape;
        let head = format!("{group}\t{}\t{batch}\t{m}\t{n}\t{k}", shape.layout());
        if arguments.list {
            println!("{head}");
            continue;
        }
        for side in &arguments.sides(&["oxhorn", "oxhorn-bf16", "oxhorn-f16", "gemm", "gemmkit"]) {
            let seconds = match side.as_str() {
                "oxhorn" => shape.oxhorn(&pool, |x| x),
                "oxhorn-bf16" => shape.oxhorn(&pool, bf16::from_f32),
                "oxhorn-f16" => shape.oxhorn(&pool, f16::from_f32),
                "gemm" => shape.gemm_crate(threads),
                "gemmkit" => shape.gemmkit(threads),
                other => panic!("unknown side {other}"),
            };
            println!("{head}\t{side}\t{seconds:e}");
        }
    }
}
