//! CKKS homomorphic encryption over 30-bit primes, without std.
