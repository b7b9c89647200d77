;; Matrix products in vectors of four values, for the networks of the lamp.
;;
;; product.wasm is made of this text: `wat2wasm product.wat`.
(module
  (memory (import "lamp" "memory") 1)

  ;; Adds the product of matrices f32[rows, depth] and f32[depth, columns] to a sum.
  ;; They are given by the addresses of their first bytes. The rows of the first one
  ;; begin `stride` bytes apart. `columns` is a multiple of four.
  (func (export "addProduct")
    (param $first i32) (param $stride i32) (param $second i32) (param $sum i32)
    (param $rows i32) (param $depth i32) (param $columns i32)
    (local $width i32) (local $column i32) (local $row i32)
    (local $a i32) (local $end i32) (local $b i32) (local $target i32)
    (local $total v128)
    (local.set $width (i32.shl (local.get $columns) (i32.const 2))) ;; bytes
    (loop $columns
      (local.set $row (i32.const 0))
      (loop $rows
        (local.set $a
          (i32.add (local.get $first) (i32.mul (local.get $row) (local.get $stride))))
        (local.set $end
          (i32.add (local.get $a) (i32.shl (local.get $depth) (i32.const 2))))
        (local.set $b (i32.add (local.get $second) (local.get $column)))
        (local.set $target
          (i32.add
            (i32.add (local.get $sum) (local.get $column))
            (i32.mul (local.get $row) (local.get $width))))
        (local.set $total (v128.load (local.get $target)))
        (loop $depth
          (local.set $total
            (f32x4.add
              (local.get $total)
              (f32x4.mul
                (v128.load32_splat (local.get $a))
                (v128.load (local.get $b)))))
          (local.set $a (i32.add (local.get $a) (i32.const 4)))
          (local.set $b (i32.add (local.get $b) (local.get $width)))
          (br_if $depth (i32.lt_u (local.get $a) (local.get $end))))
        (v128.store (local.get $target) (local.get $total))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br_if $rows (i32.lt_u (local.get $row) (local.get $rows))))
      (local.set $column (i32.add (local.get $column) (i32.const 16)))
      (br_if $columns (i32.lt_u (local.get $column) (local.get $width))))))
