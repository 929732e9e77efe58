"""From public data sets, in the form in which they are published, to rows of a behaviour.

Every converter is pure: parsed JSON in, rows and counts of what was left out as `Converted` out; `files` reads what it
is given and says where in a file something is wrong. What it draws, it draws by a seed and the id of the question (or
its words, where it has none), so that other questions change no draw. `part` keeps documents of different parts out of
one row, so that no split shows a passage of another's.

| module           | reads                              | makes                      |
|------------------|------------------------------------|----------------------------|
| `squad`          | SQuAD 1.1 and 2.0                  | refusal, citation, rerank  |
| `rewrites`       | CANARD and CAsT style rewrites     | query_rewrite              |
| `disfl_qa`       | Disfl-QA and its SQuAD articles    | query_rewrite              |
| `doc2dial`       | Doc2Dial, dialogues or turns       | refusal, citation, rerank  |
| `question_pages` | questions with the page that helps | rerank, refusal            |
"""
