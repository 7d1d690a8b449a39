"""`python -m fenlei`: the command line where the folder of installed commands is not on the PATH."""

from fenlei.cli import main

if __name__ == "__main__":
    main()
