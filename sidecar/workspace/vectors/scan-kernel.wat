;; Inner products of one query with many rows of 16-bit integers, by SIMD, four rows a turn.
(module
  (import "m" "m" (memory 1))
  ;; Parameters are byte offsets in the memory, but for the count of rows, which is rounded up to a multiple of four,
  ;; and the bytes of a row and of the query, a multiple of 16. Every product must fit 32 bits.
  (func (export "scan")
    (param $query i32) (param $rows i32) (param $count i32) (param $products i32) (param $bytes i32)
    (local $row1 i32) (local $row2 i32) (local $row3 i32) (local $at i32) (local $part v128)
    (local $sum0 v128) (local $sum1 v128) (local $sum2 v128) (local $sum3 v128)
    (block $done
      (loop $turn
        (br_if $done (i32.lt_s (local.get $count) (i32.const 1)))
        (local.set $row1 (i32.add (local.get $rows) (local.get $bytes)))
        (local.set $row2 (i32.add (local.get $row1) (local.get $bytes)))
        (local.set $row3 (i32.add (local.get $row2) (local.get $bytes)))
        (local.set $sum0 (v128.const i32x4 0 0 0 0))
        (local.set $sum1 (v128.const i32x4 0 0 0 0))
        (local.set $sum2 (v128.const i32x4 0 0 0 0))
        (local.set $sum3 (v128.const i32x4 0 0 0 0))
        (local.set $at (i32.const 0))
        (loop $eight
          (local.set $part (v128.load (i32.add (local.get $query) (local.get $at))))
          (local.set $sum0 (i32x4.add (local.get $sum0)
            (i32x4.dot_i16x8_s (local.get $part) (v128.load (i32.add (local.get $rows) (local.get $at))))))
          (local.set $sum1 (i32x4.add (local.get $sum1)
            (i32x4.dot_i16x8_s (local.get $part) (v128.load (i32.add (local.get $row1) (local.get $at))))))
          (local.set $sum2 (i32x4.add (local.get $sum2)
            (i32x4.dot_i16x8_s (local.get $part) (v128.load (i32.add (local.get $row2) (local.get $at))))))
          (local.set $sum3 (i32x4.add (local.get $sum3)
            (i32x4.dot_i16x8_s (local.get $part) (v128.load (i32.add (local.get $row3) (local.get $at))))))
          (br_if $eight
            (i32.lt_s (local.tee $at (i32.add (local.get $at) (i32.const 16))) (local.get $bytes))))
        (i32.store (local.get $products) (call $lanes (local.get $sum0)))
        (i32.store offset=4 (local.get $products) (call $lanes (local.get $sum1)))
        (i32.store offset=8 (local.get $products) (call $lanes (local.get $sum2)))
        (i32.store offset=12 (local.get $products) (call $lanes (local.get $sum3)))
        (local.set $products (i32.add (local.get $products) (i32.const 16)))
        (local.set $rows (i32.add (local.get $row3) (local.get $bytes)))
        (local.set $count (i32.sub (local.get $count) (i32.const 4)))
        (br $turn))))

  (func $lanes (param $sum v128) (result i32)
    (i32.add
      (i32.add (i32x4.extract_lane 0 (local.get $sum)) (i32x4.extract_lane 1 (local.get $sum)))
      (i32.add (i32x4.extract_lane 2 (local.get $sum)) (i32x4.extract_lane 3 (local.get $sum))))))
