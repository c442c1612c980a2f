// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// What each operation costs in homomorphic complexity units (HCU): the published prices of fhEVM 0.13, checked against
/// vectors/hcu.json. A row holds the price for every type, 24 bits each; a type without a price is not supported.
library HcuPrices {
    uint256 private constant PRICE_BITS = 24;
    uint256 private constant PRICE_MASK = (1 << PRICE_BITS) - 1;

    // Place of a price in its row: type id times 24 bits.
    uint256 private constant ON_BOOL = 1;
    uint256 private constant ON_8 = 1 << 48;
    uint256 private constant ON_16 = 1 << 72;
    uint256 private constant ON_32 = 1 << 96;
    uint256 private constant ON_64 = 1 << 120;
    uint256 private constant ON_128 = 1 << 144;
    uint256 private constant ON_ADDRESS = 1 << 168;
    uint256 private constant ON_256 = 1 << 192;

    uint256 private constant NUMBERS = ON_8 + ON_16 + ON_32 + ON_64 + ON_128 + ON_256;

    uint256 internal constant ADD = 88_000 * ON_8 + 93_000 * ON_16 + 125_000 * ON_32 + 162_000 * ON_64 + 259_000 * ON_128;
    uint256 internal constant ADD_SCALAR = 84_000 * ON_8 + 93_000 * ON_16 + 95_000 * ON_32 + 133_000 * ON_64 + 172_000 * ON_128;
    uint256 internal constant SUB = 91_000 * ON_8 + 93_000 * ON_16 + 125_000 * ON_32 + 162_000 * ON_64 + 260_000 * ON_128;
    uint256 internal constant SUB_SCALAR = ADD_SCALAR;
    uint256 internal constant MUL = 150_000 * ON_8 + 222_000 * ON_16 + 328_000 * ON_32 + 596_000 * ON_64 + 1_686_000 * ON_128;
    uint256 internal constant MUL_SCALAR = 122_000 * ON_8 + 193_000 * ON_16 + 265_000 * ON_32 + 365_000 * ON_64 + 696_000 * ON_128;
    uint256 internal constant DIV_SCALAR = 210_000 * ON_8 + 302_000 * ON_16 + 438_000 * ON_32 + 715_000 * ON_64 + 1_225_000 * ON_128;
    uint256 internal constant REM_SCALAR = 440_000 * ON_8 + 580_000 * ON_16 + 792_000 * ON_32 + 1_153_000 * ON_64 + 1_943_000 * ON_128;

    uint256 private constant AND_NUMBERS = 31_000 * ON_8 + 31_000 * ON_16 + 32_000 * ON_32 + 34_000 * ON_64 + 37_000 * ON_128;
    uint256 internal constant AND = 25_000 * ON_BOOL + AND_NUMBERS + 38_000 * ON_256;
    uint256 internal constant AND_SCALAR = 22_000 * ON_BOOL + AND_NUMBERS + 38_000 * ON_256;
    uint256 private constant OR_WIDE = 32_000 * ON_32 + 34_000 * ON_64 + 37_000 * ON_128 + 38_000 * ON_256;
    uint256 internal constant OR = 24_000 * ON_BOOL + 30_000 * ON_8 + 31_000 * ON_16 + OR_WIDE;
    uint256 internal constant OR_SCALAR = 22_000 * ON_BOOL + 30_000 * ON_8 + 30_000 * ON_16 + OR_WIDE;
    uint256 internal constant XOR = 22_000 * ON_BOOL + AND_NUMBERS + 39_000 * ON_256;

    uint256 internal constant SHL =
        92_000 * ON_8 + 125_000 * ON_16 + 162_000 * ON_32 + 208_000 * ON_64 + 272_000 * ON_128 + 378_000 * ON_256;
    uint256 internal constant SHR =
        91_000 * ON_8 + 123_000 * ON_16 + 163_000 * ON_32 + 209_000 * ON_64 + 272_000 * ON_128 + 369_000 * ON_256;
    uint256 internal constant ROTL =
        91_000 * ON_8 + 125_000 * ON_16 + 163_000 * ON_32 + 209_000 * ON_64 + 278_000 * ON_128 + 378_000 * ON_256;
    uint256 internal constant ROTR =
        93_000 * ON_8 + 125_000 * ON_16 + 160_000 * ON_32 + 209_000 * ON_64 + 283_000 * ON_128 + 375_000 * ON_256;
    uint256 private constant MOVE_SCALAR = 32_000 * ON_32 + 34_000 * ON_64 + 37_000 * ON_128;
    uint256 internal constant SHL_SCALAR = 32_000 * ON_8 + 32_000 * ON_16 + MOVE_SCALAR + 39_000 * ON_256;
    uint256 internal constant SHR_SCALAR = 32_000 * ON_8 + 32_000 * ON_16 + MOVE_SCALAR + 38_000 * ON_256;
    uint256 internal constant ROTL_SCALAR = 31_000 * ON_8 + 31_000 * ON_16 + MOVE_SCALAR + 38_000 * ON_256;
    uint256 internal constant ROTR_SCALAR = 31_000 * ON_8 + 31_000 * ON_16 + MOVE_SCALAR + 40_000 * ON_256;

    uint256 internal constant EQ = 26_000 * ON_BOOL + 55_000 * ON_8 + 83_000 * ON_16 + 86_000 * ON_32 + 120_000 * ON_64 + 122_000 * ON_128
        + 137_000 * ON_ADDRESS + 152_000 * ON_256;
    uint256 internal constant EQ_SCALAR = 25_000 * ON_BOOL + 55_000 * ON_8 + 55_000 * ON_16 + 82_000 * ON_32 + 83_000 * ON_64 + 117_000
        * ON_128 + 117_000 * ON_ADDRESS + 118_000 * ON_256;
    uint256 internal constant NE = 23_000 * ON_BOOL + 55_000 * ON_8 + 83_000 * ON_16 + 85_000 * ON_32 + 118_000 * ON_64 + 122_000 * ON_128
        + 136_000 * ON_ADDRESS + 150_000 * ON_256;
    uint256 internal constant NE_SCALAR = 23_000 * ON_BOOL + 55_000 * ON_8 + 55_000 * ON_16 + 83_000 * ON_32 + 84_000 * ON_64 + 117_000
        * ON_128 + 117_000 * ON_ADDRESS + 117_000 * ON_256;
    uint256 internal constant GE = 63_000 * ON_8 + 84_000 * ON_16 + 118_000 * ON_32 + 152_000 * ON_64 + 210_000 * ON_128;
    uint256 internal constant GE_SCALAR = 52_000 * ON_8 + 55_000 * ON_16 + 84_000 * ON_32 + 116_000 * ON_64 + 149_000 * ON_128;
    uint256 internal constant GT = 59_000 * ON_8 + 84_000 * ON_16 + 118_000 * ON_32 + 152_000 * ON_64 + 218_000 * ON_128;
    uint256 internal constant GT_SCALAR = 52_000 * ON_8 + 55_000 * ON_16 + 84_000 * ON_32 + 117_000 * ON_64 + 150_000 * ON_128;
    uint256 internal constant LE = 58_000 * ON_8 + 83_000 * ON_16 + 117_000 * ON_32 + 149_000 * ON_64 + 218_000 * ON_128;
    uint256 internal constant LE_SCALAR = 58_000 * ON_8 + 58_000 * ON_16 + 84_000 * ON_32 + 119_000 * ON_64 + 150_000 * ON_128;
    uint256 internal constant LT = 59_000 * ON_8 + 84_000 * ON_16 + 117_000 * ON_32 + 146_000 * ON_64 + 215_000 * ON_128;
    uint256 internal constant LT_SCALAR = 52_000 * ON_8 + 58_000 * ON_16 + 83_000 * ON_32 + 118_000 * ON_64 + 149_000 * ON_128;
    uint256 internal constant MIN = 119_000 * ON_8 + 146_000 * ON_16 + 182_000 * ON_32 + 219_000 * ON_64 + 289_000 * ON_128;
    uint256 internal constant MIN_SCALAR = 84_000 * ON_8 + 88_000 * ON_16 + 117_000 * ON_32 + 150_000 * ON_64 + 186_000 * ON_128;
    uint256 internal constant MAX = 121_000 * ON_8 + 145_000 * ON_16 + 180_000 * ON_32 + 218_000 * ON_64 + 290_000 * ON_128;
    uint256 internal constant MAX_SCALAR = 89_000 * ON_8 + 89_000 * ON_16 + 117_000 * ON_32 + 149_000 * ON_64 + 180_000 * ON_128;

    uint256 internal constant NEG = 79_000 * ON_8 + 93_000 * ON_16 + 95_000 * ON_32 + 131_000 * ON_64 + 168_000 * ON_128 + 269_000 * ON_256;
    uint256 internal constant NOT = 2 * ON_BOOL + 9 * ON_8 + 16 * ON_16 + 32 * ON_32 + 63 * ON_64 + 130 * ON_128 + 130 * ON_256;
    uint256 internal constant SELECT =
        55_000 * (ON_BOOL + ON_8 + ON_16 + ON_32 + ON_64) + 57_000 * ON_128 + 83_000 * ON_ADDRESS + 108_000 * ON_256;
    /// By the type cast to.
    uint256 internal constant CAST = 32 * NUMBERS;
    uint256 internal constant TRIVIAL = 32 * (ON_BOOL + NUMBERS + ON_ADDRESS);
    uint256 internal constant RAND_BOUNDED =
        23_000 * ON_8 + 23_000 * ON_16 + 24_000 * ON_32 + 24_000 * ON_64 + 25_000 * ON_128 + 30_000 * ON_256;
    uint256 internal constant RAND = 19_000 * ON_BOOL + RAND_BOUNDED;

    // Collections are priced by size: up to 10, 30, 60 and 100 items; wide types end at 60.
    uint256 private constant SUM_10 = 90_900 * ON_8 + 95_000 * ON_16 + 116_000 * ON_32 + 139_000 * ON_64 + 219_000 * ON_128;
    uint256 private constant SUM_30 = 127_000 * ON_8 + 136_000 * ON_16 + 164_000 * ON_32 + 216_000 * ON_64 + 355_000 * ON_128;
    uint256 private constant SUM_60 = 148_000 * ON_8 + 162_000 * ON_16 + 205_000 * ON_32 + 306_000 * ON_64 + 552_000 * ON_128;
    uint256 private constant SUM_100 = 159_000 * ON_8 + 184_000 * ON_16 + 281_000 * ON_32 + 306_000 * ON_64 + 552_000 * ON_128;
    // Addresses and 256 bits: ours, the price of 128 bits in proportion to that of `EQ`, rounded up to a thousand.
    uint256 private constant IN_10 =
        71_300 * ON_8 + 103_000 * ON_16 + 137_000 * ON_32 + 218_000 * ON_64 + 256_000 * ON_128 + 288_000 * ON_ADDRESS + 319_000 * ON_256;
    uint256 private constant IN_30 =
        148_000 * ON_8 + 218_000 * ON_16 + 300_000 * ON_32 + 492_000 * ON_64 + 535_000 * ON_128 + 601_000 * ON_ADDRESS + 667_000 * ON_256;
    uint256 private constant IN_60 = 247_000 * ON_8 + 378_000 * ON_16 + 531_000 * ON_32 + 879_000 * ON_64 + 921_000 * ON_128 + 1_035_000
        * ON_ADDRESS + 1_148_000 * ON_256;
    uint256 private constant IN_100 = 374_000 * ON_8 + 605_000 * ON_16 + 827_000 * ON_32 + 879_000 * ON_64 + 921_000 * ON_128 + 1_035_000
        * ON_ADDRESS + 1_148_000 * ON_256;

    /// The price for type `kind`, 0 if there is none.
    function priceOf(uint256 row, uint8 kind) internal pure returns (uint256) {
        return (row >> (PRICE_BITS * kind)) & PRICE_MASK;
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
