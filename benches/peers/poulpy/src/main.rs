//! Poulpy, on its backend of double-precision transforms and on that of number-theoretic ones, each with the digits
//! that it is fastest with at log₂(QP) of the other peers.

mod measure;

mod fft {
    #[cfg(not(feature = "avx512"))]
    use poulpy_cpu_avx::FFT64Avx as Backend;
    #[cfg(feature = "avx512")]
    use poulpy_cpu_avx512::FFT64Avx512 as Backend;

    include!("operations.rs");
}

mod ntt {
    #[cfg(not(feature = "avx512"))]
    use poulpy_cpu_avx::NTT4x30Avx as Backend;
    #[cfg(feature = "avx512")]
    use poulpy_cpu_avx512::NTT3x42Ifma as Backend;

    include!("operations.rs");
}

use measure::Set;

const FFT: [Set; 3] = [
    Set { name: "P1", log_degree: 13, radix: 18, digits: 4, size: 2, scale_bits: 30 },
    Set { name: "P2", log_degree: 14, radix: 19, digits: 3, size: 5, scale_bits: 40 },
    Set { name: "P3", log_degree: 15, radix: 17, digits: 7, size: 6, scale_bits: 40 },
];
const NTT: [Set; 3] = [
    Set { name: "P1", log_degree: 13, radix: 46, digits: 3, size: 1, scale_bits: 30 },
    Set { name: "P2", log_degree: 14, radix: 50, digits: 3, size: 2, scale_bits: 40 },
    Set { name: "P3", log_degree: 15, radix: 51, digits: 3, size: 4, scale_bits: 40 },
];

fn main() {
    FFT.iter().for_each(|set| fft::run("Poulpy 0.10.0, FFT", set));
    NTT.iter().for_each(|set| ntt::run("Poulpy 0.10.0, NTT", set));
}
