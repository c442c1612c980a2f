// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ZamaConfig, ZamaEthereumConfig} from "@fhevm/solidity/config/ZamaConfig.sol";
import {ebool, euint64, FHE} from "@fhevm/solidity/lib/FHE.sol";
import {BatcherConfidential} from "@openzeppelin/confidential-contracts/finance/BatcherConfidential.sol";
import {VestingWalletCliffConfidential} from "@openzeppelin/confidential-contracts/finance/VestingWalletCliffConfidential.sol";
import {VestingWalletConfidentialFactory} from "@openzeppelin/confidential-contracts/finance/VestingWalletConfidentialFactory.sol";
import {IERC7984ERC20Wrapper} from "@openzeppelin/confidential-contracts/interfaces/IERC7984ERC20Wrapper.sol";
import {IERC7984Receiver} from "@openzeppelin/confidential-contracts/interfaces/IERC7984Receiver.sol";
import {ERC7984} from "@openzeppelin/confidential-contracts/token/ERC7984/ERC7984.sol";
import {ERC7984Hooked} from "@openzeppelin/confidential-contracts/token/ERC7984/extensions/ERC7984Hooked.sol";
import {ERC7984ObserverAccess} from "@openzeppelin/confidential-contracts/token/ERC7984/extensions/ERC7984ObserverAccess.sol";
import {ERC7984Omnibus} from "@openzeppelin/confidential-contracts/token/ERC7984/extensions/ERC7984Omnibus.sol";
import {ERC7984Rwa} from "@openzeppelin/confidential-contracts/token/ERC7984/extensions/ERC7984Rwa.sol";
import {ERC7984Votes} from "@openzeppelin/confidential-contracts/token/ERC7984/extensions/ERC7984Votes.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {PlainCoin} from "./Wrapped.sol";

// The smallest contracts that make OpenZeppelin's abstract ones, unchanged from npm, deployable.

contract Coin is ZamaEthereumConfig, ERC7984ObserverAccess, ERC7984Omnibus {
    constructor() ERC7984("Coin", "CN", "") {}

    function mint(address to, uint64 amount) external {
        _mint(to, FHE.asEuint64(amount));
    }

    function burn(address from, uint64 amount) external {
        _burn(from, FHE.asEuint64(amount));
    }

    function _update(address from, address to, euint64 amount) internal override(ERC7984, ERC7984ObserverAccess) returns (euint64) {
        return super._update(from, to, amount);
    }
}

contract VotesCoin is ZamaEthereumConfig, ERC7984Votes {
    constructor() ERC7984("Votes", "VT", "") EIP712("Votes", "1") {}

    function mint(address to, uint64 amount) external {
        _mint(to, FHE.asEuint64(amount));
    }

    /// A delegate may see the votes they hold.
    function _validateHandleAllowance(bytes32 handle) internal view override returns (bool) {
        return handle == euint64.unwrap(getVotes(msg.sender));
    }
}

contract Asset is ZamaEthereumConfig, ERC7984Rwa, ERC7984Hooked {
    constructor(address admin) ERC7984("Asset", "AS", "") ERC7984Rwa(admin) {}

    function supportsInterface(bytes4 id) public view override(ERC7984, ERC7984Rwa) returns (bool) {
        return super.supportsInterface(id);
    }

    function _authorizeModuleChange() internal view override {
        _checkRole(DEFAULT_ADMIN_ROLE);
    }

    function _update(address from, address to, euint64 amount) internal override(ERC7984Rwa, ERC7984Hooked) returns (euint64) {
        return super._update(from, to, amount);
    }
}

/// Takes a payment or sends it back, as its data say.
contract Payee is ZamaEthereumConfig, IERC7984Receiver {
    function onConfidentialTransferReceived(address, address, euint64, bytes calldata data) external returns (ebool accepted) {
        accepted = FHE.asEbool(abi.decode(data, (bool)));
        FHE.allowTransient(accepted, msg.sender);
    }
}

/// A clone runs no constructor: it learns where the library's contracts stand when it is initialised.
contract Vesting is VestingWalletCliffConfidential {
    function initialize(address beneficiary, uint48 start, uint48 duration, uint48 cliff) external initializer {
        FHE.setCoprocessor(ZamaConfig.getEthereumCoprocessorConfig());
        __VestingWalletCliffConfidential_init(beneficiary, start, duration, cliff);
    }
}

contract VestingFactory is ZamaEthereumConfig, VestingWalletConfidentialFactory {
    function _deployVestingWalletImplementation() internal override returns (address) {
        return address(new Vesting());
    }

    function _validateVestingWalletInitArgs(bytes memory initArgs) internal pure override {
        abi.decode(initArgs, (address, uint48, uint48, uint48));
    }

    function _initializeVestingWallet(address wallet, bytes calldata initArgs) internal override {
        (address beneficiary, uint48 start, uint48 duration, uint48 cliff) = abi.decode(initArgs, (address, uint48, uint48, uint48));
        Vesting(wallet).initialize(beneficiary, start, duration, cliff);
    }
}

/// Swaps what a batch collected at two for one.
contract Batcher is ZamaEthereumConfig, BatcherConfidential {
    constructor(IERC7984ERC20Wrapper from_, IERC7984ERC20Wrapper to_) BatcherConfidential(from_, to_) {}

    function routeDescription() public pure override returns (string memory) {
        return "two for one";
    }

    function _executeRoute(uint256, uint256 amount) internal override returns (ExecuteOutcome) {
        PlainCoin(toToken().underlying()).mint(address(this), amount * toToken().rate() / 2);
        return ExecuteOutcome.Complete;
    }
}
