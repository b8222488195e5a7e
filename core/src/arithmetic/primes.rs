//! Finding NTT primes. Owns primality and the search order, which is public and
//! deterministic; the security of the scheme does not rest on which primes these are.

/// Tells whether `n` is prime.
///
/// Miller–Rabin with the bases 2, 7 and 61, which is exact below 4,759,123,141.
///
/// Source: Jaeschke, "On strong pseudoprimes to several bases", Math. Comp. 61 (1993).
pub(crate) fn is_prime(n: u32) -> bool {
    const SMALL: [u32; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 61];
    if n < 2 {
        return false;
    }
    if let Some(&p) = SMALL.iter().find(|&&p| n.is_multiple_of(p)) {
        return n == p;
    }
    let shift = (n - 1).trailing_zeros();
    let odd = (n - 1) >> shift;
    [2u32, 7, 61].into_iter().all(|base| is_strong_probable_prime(n, base, odd, shift))
}

fn is_strong_probable_prime(n: u32, base: u32, odd: u32, shift: u32) -> bool {
    let n64 = u64::from(n);
    let mut x = power(u64::from(base), odd, n64);
    if x == 1 || x == n64 - 1 {
        return true;
    }
    for _ in 1..shift {
        x = x * x % n64;
        if x == n64 - 1 {
            return true;
        }
    }
    false
}

fn power(base: u64, mut exponent: u32, n: u64) -> u64 {
    let (mut result, mut square) = (1, base % n);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * square % n;
        }
        square = square * square % n;
        exponent >>= 1;
    }
    result
}

/// Iterates over the primes `q ≡ 1 mod 2N` nearest to `target`, nearest first,
/// all strictly below 2^30 and above 2^20.
pub(crate) fn ntt_primes_near(target: f64, log_degree: u8) -> impl Iterator<Item = u32> {
    let step = 2u64 << log_degree;
    let centre = (target as u64 - 1) / step;
    (0u64..)
        .map_while(move |distance| {
            let below = centre.checked_sub(distance).map(|k| k * step + 1);
            let above = (centre + distance + 1) * step + 1;
            let lowest = below.unwrap_or(0);
            (lowest > 1 << 20 || above < 1 << 30).then_some([below.unwrap_or(0), above])
        })
        .flatten()
        .filter(|&n| n > 1 << 20 && n < 1 << 30)
        .map(|n| n as u32)
        .filter(|&n| is_prime(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_trial_division() {
        let trial = |n: u32| n > 1 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
        for n in (0..20_000).chain(1_073_000_000..1_073_000_200) {
            assert_eq!(is_prime(n), trial(n), "{n}");
        }
    }

    #[test]
    fn found_primes_split_in_the_ring_and_are_nearest_first() {
        let target = f64::from(1u32 << 28);
        let found: Vec<u32> = ntt_primes_near(target, 13).take(6).collect();
        assert!(found.iter().all(|q| q % (1 << 14) == 1 && is_prime(*q)));
        assert!(
            found
                .windows(2)
                .all(|w| (f64::from(w[0]) - target).abs() <= (f64::from(w[1]) - target).abs() + 32_768.0)
        );
    }
}
