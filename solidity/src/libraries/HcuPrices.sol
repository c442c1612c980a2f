// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// What each operation costs in homomorphic complexity units (HCU): the published prices of fhEVM 0.13, checked against
/// vectors/hcu.json. A row holds the price for every type, 24 bits each; a type without a price is not supported.
library HcuPrices {
    // A price stands 24 times its type id bits up: bool 0, 8 bits 48, then 72, 96, 120, 144 for 16 to 128 bits, address 168,
    // 256 bits 192. The places are written out because only literals are put together by the compiler; named ones would be at
    // every operation, for some 1,600 gas.
    uint256 private constant PRICE_BITS = 24;
    uint256 private constant PRICE_MASK = 0xffffff;

    uint256 internal constant ADD = 88_000 << 48 | 93_000 << 72 | 125_000 << 96 | 162_000 << 120 | 259_000 << 144;
    uint256 internal constant ADD_SCALAR = 84_000 << 48 | 93_000 << 72 | 95_000 << 96 | 133_000 << 120 | 172_000 << 144;
    uint256 internal constant SUB = 91_000 << 48 | 93_000 << 72 | 125_000 << 96 | 162_000 << 120 | 260_000 << 144;
    uint256 internal constant SUB_SCALAR = 84_000 << 48 | 93_000 << 72 | 95_000 << 96 | 133_000 << 120 | 172_000 << 144;
    uint256 internal constant MUL = 150_000 << 48 | 222_000 << 72 | 328_000 << 96 | 596_000 << 120 | 1_686_000 << 144;
    uint256 internal constant MUL_SCALAR = 122_000 << 48 | 193_000 << 72 | 265_000 << 96 | 365_000 << 120 | 696_000 << 144;
    uint256 internal constant DIV_SCALAR = 210_000 << 48 | 302_000 << 72 | 438_000 << 96 | 715_000 << 120 | 1_225_000 << 144;
    uint256 internal constant REM_SCALAR = 440_000 << 48 | 580_000 << 72 | 792_000 << 96 | 1_153_000 << 120 | 1_943_000 << 144;

    uint256 internal constant AND = 25_000 | 31_000 << 48 | 31_000 << 72 | 32_000 << 96 | 34_000 << 120 | 37_000 << 144 | 38_000 << 192;
    uint256 internal constant AND_SCALAR =
        22_000 | 31_000 << 48 | 31_000 << 72 | 32_000 << 96 | 34_000 << 120 | 37_000 << 144 | 38_000 << 192;
    uint256 internal constant OR = 24_000 | 30_000 << 48 | 31_000 << 72 | 32_000 << 96 | 34_000 << 120 | 37_000 << 144 | 38_000 << 192;
    uint256 internal constant OR_SCALAR =
        22_000 | 30_000 << 48 | 30_000 << 72 | 32_000 << 96 | 34_000 << 120 | 37_000 << 144 | 38_000 << 192;
    uint256 internal constant XOR = 22_000 | 31_000 << 48 | 31_000 << 72 | 32_000 << 96 | 34_000 << 120 | 37_000 << 144 | 39_000 << 192;

    uint256 internal constant SHL = 92_000 << 48 | 125_000 << 72 | 162_000 << 96 | 208_000 << 120 | 272_000 << 144 | 378_000 << 192;
    uint256 internal constant SHR = 91_000 << 48 | 123_000 << 72 | 163_000 << 96 | 209_000 << 120 | 272_000 << 144 | 369_000 << 192;
    uint256 internal constant ROTL = 91_000 << 48 | 125_000 << 72 | 163_000 << 96 | 209_000 << 120 | 278_000 << 144 | 378_000 << 192;
    uint256 internal constant ROTR = 93_000 << 48 | 125_000 << 72 | 160_000 << 96 | 209_000 << 120 | 283_000 << 144 | 375_000 << 192;
    uint256 internal constant SHL_SCALAR = 32_000 << 48 | 32_000 << 72 | 32_000 << 96 | 34_000 << 120 | 37_000 << 144 | 39_000 << 192;
    uint256 internal constant SHR_SCALAR = 32_000 << 48 | 32_000 << 72 | 32_000 << 96 | 34_000 << 120 | 37_000 << 144 | 38_000 << 192;
    uint256 internal constant ROTL_SCALAR = 31_000 << 48 | 31_000 << 72 | 32_000 << 96 | 34_000 << 120 | 37_000 << 144 | 38_000 << 192;
    uint256 internal constant ROTR_SCALAR = 31_000 << 48 | 31_000 << 72 | 32_000 << 96 | 34_000 << 120 | 37_000 << 144 | 40_000 << 192;

    uint256 internal constant EQ =
        26_000 | 55_000 << 48 | 83_000 << 72 | 86_000 << 96 | 120_000 << 120 | 122_000 << 144 | 137_000 << 168 | 152_000 << 192;
    uint256 internal constant EQ_SCALAR =
        25_000 | 55_000 << 48 | 55_000 << 72 | 82_000 << 96 | 83_000 << 120 | 117_000 << 144 | 117_000 << 168 | 118_000 << 192;
    uint256 internal constant NE =
        23_000 | 55_000 << 48 | 83_000 << 72 | 85_000 << 96 | 118_000 << 120 | 122_000 << 144 | 136_000 << 168 | 150_000 << 192;
    uint256 internal constant NE_SCALAR =
        23_000 | 55_000 << 48 | 55_000 << 72 | 83_000 << 96 | 84_000 << 120 | 117_000 << 144 | 117_000 << 168 | 117_000 << 192;
    uint256 internal constant GE = 63_000 << 48 | 84_000 << 72 | 118_000 << 96 | 152_000 << 120 | 210_000 << 144;
    uint256 internal constant GE_SCALAR = 52_000 << 48 | 55_000 << 72 | 84_000 << 96 | 116_000 << 120 | 149_000 << 144;
    uint256 internal constant GT = 59_000 << 48 | 84_000 << 72 | 118_000 << 96 | 152_000 << 120 | 218_000 << 144;
    uint256 internal constant GT_SCALAR = 52_000 << 48 | 55_000 << 72 | 84_000 << 96 | 117_000 << 120 | 150_000 << 144;
    uint256 internal constant LE = 58_000 << 48 | 83_000 << 72 | 117_000 << 96 | 149_000 << 120 | 218_000 << 144;
    uint256 internal constant LE_SCALAR = 58_000 << 48 | 58_000 << 72 | 84_000 << 96 | 119_000 << 120 | 150_000 << 144;
    uint256 internal constant LT = 59_000 << 48 | 84_000 << 72 | 117_000 << 96 | 146_000 << 120 | 215_000 << 144;
    uint256 internal constant LT_SCALAR = 52_000 << 48 | 58_000 << 72 | 83_000 << 96 | 118_000 << 120 | 149_000 << 144;
    uint256 internal constant MIN = 119_000 << 48 | 146_000 << 72 | 182_000 << 96 | 219_000 << 120 | 289_000 << 144;
    uint256 internal constant MIN_SCALAR = 84_000 << 48 | 88_000 << 72 | 117_000 << 96 | 150_000 << 120 | 186_000 << 144;
    uint256 internal constant MAX = 121_000 << 48 | 145_000 << 72 | 180_000 << 96 | 218_000 << 120 | 290_000 << 144;
    uint256 internal constant MAX_SCALAR = 89_000 << 48 | 89_000 << 72 | 117_000 << 96 | 149_000 << 120 | 180_000 << 144;

    uint256 internal constant NEG = 79_000 << 48 | 93_000 << 72 | 95_000 << 96 | 131_000 << 120 | 168_000 << 144 | 269_000 << 192;
    uint256 internal constant NOT = 2 | 9 << 48 | 16 << 72 | 32 << 96 | 63 << 120 | 130 << 144 | 130 << 192;
    uint256 internal constant SELECT =
        55_000 | 55_000 << 48 | 55_000 << 72 | 55_000 << 96 | 55_000 << 120 | 57_000 << 144 | 83_000 << 168 | 108_000 << 192;
    /// By the type cast to.
    uint256 internal constant CAST = 32 << 48 | 32 << 72 | 32 << 96 | 32 << 120 | 32 << 144 | 32 << 192;
    uint256 internal constant TRIVIAL = 32 | 32 << 48 | 32 << 72 | 32 << 96 | 32 << 120 | 32 << 144 | 32 << 168 | 32 << 192;
    uint256 internal constant RAND_BOUNDED = 23_000 << 48 | 23_000 << 72 | 24_000 << 96 | 24_000 << 120 | 25_000 << 144 | 30_000 << 192;
    uint256 internal constant RAND = 19_000 | 23_000 << 48 | 23_000 << 72 | 24_000 << 96 | 24_000 << 120 | 25_000 << 144 | 30_000 << 192;

    // Collections are priced by size: up to 10, 30, 60 and 100 items; wide types end at 60.
    uint256 private constant SUM_10 = 90_900 << 48 | 95_000 << 72 | 116_000 << 96 | 139_000 << 120 | 219_000 << 144;
    uint256 private constant SUM_30 = 127_000 << 48 | 136_000 << 72 | 164_000 << 96 | 216_000 << 120 | 355_000 << 144;
    uint256 private constant SUM_60 = 148_000 << 48 | 162_000 << 72 | 205_000 << 96 | 306_000 << 120 | 552_000 << 144;
    uint256 private constant SUM_100 = 159_000 << 48 | 184_000 << 72 | 281_000 << 96 | 306_000 << 120 | 552_000 << 144;
    // Addresses and 256 bits: ours, the price of 128 bits in proportion to that of `EQ`, rounded up to a thousand.
    uint256 private constant IN_10 =
        71_300 << 48 | 103_000 << 72 | 137_000 << 96 | 218_000 << 120 | 256_000 << 144 | 288_000 << 168 | 319_000 << 192;
    uint256 private constant IN_30 =
        148_000 << 48 | 218_000 << 72 | 300_000 << 96 | 492_000 << 120 | 535_000 << 144 | 601_000 << 168 | 667_000 << 192;
    uint256 private constant IN_60 =
        247_000 << 48 | 378_000 << 72 | 531_000 << 96 | 879_000 << 120 | 921_000 << 144 | 1_035_000 << 168 | 1_148_000 << 192;
    uint256 private constant IN_100 =
        374_000 << 48 | 605_000 << 72 | 827_000 << 96 | 879_000 << 120 | 921_000 << 144 | 1_035_000 << 168 | 1_148_000 << 192;

    /// The price for type `kind`, 0 if there is none.
    function priceOf(uint256 row, uint8 kind) internal pure returns (uint256) {
        // 255 * 24 bits at most, and what is shifted out is 0.
        unchecked {
            return (row >> (PRICE_BITS * kind)) & PRICE_MASK;
        }
    }

    /// Prices of a sum of `count` values.
    function sum(uint256 count) internal pure returns (uint256 row) {
        return count <= 10 ? SUM_10 : count <= 30 ? SUM_30 : count <= 60 ? SUM_60 : SUM_100;
    }

    /// Prices of looking for a value among `count`.
    function isIn(uint256 count) internal pure returns (uint256 row) {
        return count <= 10 ? IN_10 : count <= 30 ? IN_30 : count <= 60 ? IN_60 : IN_100;
    }
}
