"""What a user writes at first: as careful.py, but the frozen base runs in every epoch.

python naive.py DATA.npz ROWS.json WEIGHTS PLACE SEED
"""

import careful

if __name__ == "__main__":
    careful.main(naive=True)
