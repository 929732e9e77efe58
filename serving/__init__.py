"""From weights and passages to an answer: the contract, the weights, the assistant."""
