// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";
import {ebool, euint64, externalEuint64, FHE} from "@fhevm/solidity/lib/FHE.sol";

import {IDecryptionOracle} from "../src/interfaces/IDecryptionOracle.sol";

/// A token whose balances nobody sees but their owners, written against the fhEVM library. Its total supply can be made
/// public through the decryption oracle.
contract ConfidentialToken is ZamaEthereumConfig {
    event Minted(address indexed to);
    event Transferred(address indexed from, address indexed to);
    event SupplyRequested(uint256 indexed requestId);
    event SupplyRevealed(uint256 indexed requestId, uint64 supply);

    error OnlyMinter(address sender);
    error OnlyOracle(address sender);
    error NothingMinted();
    error UnexpectedRequest(uint256 requestId, uint256 expected);

    uint32 private constant CALLBACK_GAS = 150_000;

    address public immutable minter;
    IDecryptionOracle public immutable oracle;

    mapping(address owner => euint64) private _balances;
    euint64 private _totalSupply;

    /// The last request whose answer is awaited, 0 if none.
    uint256 public pendingRequest;
    /// The supply as last revealed, and whether it ever was.
    uint64 public revealedSupply;
    bool public supplyIsRevealed;

    modifier onlyMinter() {
        if (msg.sender != minter) revert OnlyMinter(msg.sender);
        _;
    }

    constructor(address oracle_) {
        minter = msg.sender;
        oracle = IDecryptionOracle(oracle_);
    }

    /// Mints an amount everybody sees.
    function mint(address to, uint64 amount) external onlyMinter {
        _mint(to, FHE.asEuint64(amount));
    }

    /// Mints an amount only the minter knows.
    function mintEncrypted(address to, externalEuint64 amount, bytes calldata inputProof) external onlyMinter {
        _mint(to, FHE.fromExternal(amount, inputProof));
    }

    /// Moves an encrypted amount, or nothing if the sender has less. Nobody learns which.
    function transfer(address to, externalEuint64 amount, bytes calldata inputProof) external {
        euint64 wanted = FHE.fromExternal(amount, inputProof);
        ebool enough = FHE.le(wanted, _balances[msg.sender]);
        euint64 moved = FHE.select(enough, wanted, FHE.asEuint64(0));
        _setBalance(msg.sender, FHE.sub(_balances[msg.sender], moved));
        _setBalance(to, FHE.add(_balances[to], moved));
        emit Transferred(msg.sender, to);
    }

    /// Asks for the total supply in the clear.
    function requestTotalSupplyDecryption() external returns (uint256 requestId) {
        if (!FHE.isInitialized(_totalSupply)) revert NothingMinted();
        FHE.allowTransient(_totalSupply, address(oracle));
        bytes32[] memory handles = new bytes32[](1);
        handles[0] = euint64.unwrap(_totalSupply);
        requestId = oracle.requestDecryption(handles, this.onTotalSupply.selector, CALLBACK_GAS);
        pendingRequest = requestId;
        emit SupplyRequested(requestId);
    }

    /// The oracle's answer. The oracle has checked the committee's signatures; here only who calls, and for what.
    function onTotalSupply(uint256 requestId, bytes calldata cleartexts, bytes calldata) external {
        if (msg.sender != address(oracle)) revert OnlyOracle(msg.sender);
        if (requestId != pendingRequest) revert UnexpectedRequest(requestId, pendingRequest);
        pendingRequest = 0;
        revealedSupply = abi.decode(cleartexts, (uint64));
        supplyIsRevealed = true;
        emit SupplyRevealed(requestId, revealedSupply);
    }

    /// The handle of a balance; only its owner can have it decrypted.
    function balanceOf(address owner) external view returns (euint64) {
        return _balances[owner];
    }

    /// The handle of the total supply.
    function totalSupply() external view returns (euint64) {
        return _totalSupply;
    }

    function _mint(address to, euint64 amount) private {
        _setBalance(to, FHE.add(_balances[to], amount));
        _totalSupply = FHE.add(_totalSupply, amount);
        FHE.allowThis(_totalSupply);
        emit Minted(to);
    }

    function _setBalance(address owner, euint64 balance) private {
        _balances[owner] = balance;
        FHE.allowThis(balance);
        FHE.allow(balance, owner);
    }
}
