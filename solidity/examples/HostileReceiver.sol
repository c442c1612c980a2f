// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";
import {euint64, FHE} from "@fhevm/solidity/lib/FHE.sol";

import {IDecryptionOracle} from "../src/interfaces/IDecryptionOracle.sol";

/// A receiver that does, when called back, what it was told to: what an oracle contract has to survive.
contract HostileReceiver is ZamaEthereumConfig {
    /// What the callback does. The re-entering ones go on and succeed whether or not they were let in.
    enum Mode {
        Accept,
        Revert,
        GasBomb,
        ReturnBomb,
        RevertBomb,
        ReenterFulfil,
        ReenterRetry,
        ReenterRequest
    }

    event Asked(uint256 indexed requestId);

    error Refused();
    error OnlyOracle(address sender);

    uint32 private constant INNER_CALLBACK_GAS = 100_000;
    /// Bytes a bomb returns: enough that copying them would cost more than the oracle's reserve.
    uint256 private constant BOMB_BYTES = 600_000;

    IDecryptionOracle public immutable oracle;

    Mode public mode;
    /// Callbacks that ended well, in all.
    uint256 public deliveries;
    /// Re-entrant calls that were let in.
    uint256 public entered;
    bytes public lastCleartexts;

    constructor(address oracle_) {
        oracle = IDecryptionOracle(oracle_);
    }

    /// Says what the next callbacks do.
    function setMode(Mode mode_) external {
        mode = mode_;
    }

    /// Encrypts `value` and asks for it back.
    function ask(uint64 value, uint32 callbackGas) external returns (uint256 requestId) {
        requestId = _ask(value, callbackGas);
        emit Asked(requestId);
    }

    function onDecrypted(uint256 requestId, bytes calldata cleartexts, bytes calldata proof) external {
        if (msg.sender != address(oracle)) revert OnlyOracle(msg.sender);
        if (mode == Mode.Revert) revert Refused();
        if (mode == Mode.GasBomb) _burn();
        if (mode == Mode.RevertBomb) _bomb(true);
        if (mode == Mode.ReenterFulfil) _reenter(abi.encodeCall(IDecryptionOracle.fulfil, (requestId, cleartexts, proof)));
        if (mode == Mode.ReenterRetry) _reenter(abi.encodeCall(IDecryptionOracle.retryCallback, (requestId, cleartexts, proof)));
        if (mode == Mode.ReenterRequest) _ask(1, INNER_CALLBACK_GAS);
        ++deliveries;
        lastCleartexts = cleartexts;
        if (mode == Mode.ReturnBomb) _bomb(false);
    }

    function _ask(uint64 value, uint32 callbackGas) private returns (uint256) {
        euint64 secret = FHE.asEuint64(value);
        FHE.allowThis(secret);
        FHE.allowTransient(secret, address(oracle));
        bytes32[] memory handles = new bytes32[](1);
        handles[0] = euint64.unwrap(secret);
        return oracle.requestDecryption(handles, this.onDecrypted.selector, callbackGas);
    }

    function _reenter(bytes memory message) private {
        (bool ok,) = address(oracle).call(message);
        if (ok) ++entered;
    }

    function _burn() private view {
        uint256 word = 1;
        while (word != 0) {
            word = uint256(keccak256(abi.encode(word, gasleft())));
        }
    }

    function _bomb(bool fail) private pure {
        assembly {
            if fail { revert(0, BOMB_BYTES) }
            return(0, BOMB_BYTES)
        }
    }
}
