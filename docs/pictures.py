"""Make the pictures of the documentation from a finished study of the paper's nine rows on demo data.

Called as follows, with ImageNet weights in the folder `imagenet` (18 minutes on two busy cores; LaTeX, poppler and
Chromium are needed):

    ablate run --grid paper --name paper --set weights=./imagenet --workspace runs
    python docs/pictures.py runs
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
CHROMIUM = "/usr/bin/chromium"
STUDY = "paper"
LIMIT = 200_000  # bytes of a picture


def save(picture: Path, name: str, colours: int = 64, width: float = 1, height: float = 1) -> None:
    """Write the upper left part of a picture, up to 1 of width and height, without its border and with few colours."""
    image = Image.open(picture).convert("RGB")
    image = image.crop((0, 0, round(width * image.width), round(height * image.height)))
    border = ImageChops.difference(image, Image.new("RGB", image.size, image.getpixel((0, 0)))).getbbox()
    left, top, right, bottom = border or (0, 0, *image.size)
    cut = image.crop(
        (max(left - 20, 0), max(top - 20, 0), min(right + 20, image.width), min(bottom + 20, image.height))
    )
    path = IMAGES / f"{name}.png"
    cut.quantize(colours).save(path, optimize=True)
    print(f"{path}: {cut.width} x {cut.height}, {path.stat().st_size:,} bytes")
    if path.stat().st_size >= LIMIT:
        raise SystemExit(f"{path}: more than {LIMIT:,} bytes")


def ablate(*arguments: str) -> None:
    subprocess.run([Path(sys.executable).with_name("ablate"), *arguments], check=True, stdout=subprocess.DEVNULL)


def draw_table(workspace: Path, folder: Path) -> None:
    """Draw the page of table.tex."""
    ablate("table", STUDY, "--workspace", str(workspace), "--standalone", "--output", str(folder))
    latex = ["pdflatex", "-interaction=nonstopmode", "table.tex"]
    subprocess.run(latex, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["pdftoppm", "-png", "-r", "130", "-singlefile", "table.pdf", "page"], cwd=folder, check=True)
    save(folder / "page.png", "table", colours=32, height=0.8)  # without the number of the page


def draw_report(page: Page, workspace: Path, folder: Path) -> None:
    """Draw the first screen of the report."""
    page.set_viewport_size({"width": 1200, "height": 1000})
    page.goto((workspace / STUDY / "report.html").resolve().as_uri())
    page.wait_for_timeout(1000)
    page.screenshot(path=folder / "report.png")
    save(folder / "report.png", "report")


def draw_mlflow(page: Page, workspace: Path, folder: Path) -> None:
    """Draw the comparison of the rows in MLflow, by the link that `ablate ui` prints."""
    command = [Path(sys.executable).with_name("ablate"), "ui", "--grid", STUDY, "--name", STUDY, "--no-open"]
    with subprocess.Popen(
        [*command, "--workspace", str(workspace)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout
        address = next(match[0] for line in server.stdout if (match := re.search(r"(?<=side by side: )\S+", line)))
        page.set_viewport_size({"width": 1500, "height": 800})
        page.goto(address)
        page.wait_for_timeout(15_000)
        page.screenshot(path=folder / "mlflow.png")
        server.terminate()
    save(folder / "mlflow.png", "mlflow", width=0.74)  # without the assistant at the right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path, help="folder of a finished run")
    workspace = parser.parse_args().workspace
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as started:
        folder = Path(name)
        draw_table(workspace, folder)
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(device_scale_factor=1)
        draw_report(page, workspace, folder)
        draw_mlflow(page, workspace, folder)
        browser.close()


if __name__ == "__main__":
    main()
