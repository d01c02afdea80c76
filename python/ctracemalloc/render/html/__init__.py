"""The model as one HTML file that needs nothing else: a head of JSON, data sets of packed columns, the script that draws them.

Model: document.py puts the file together; dataset.py makes what a data set has, packing.py its columns, sources.py the lines of
source. app.js and app.css are built from the folder `frontend` of the project. docs/design/page.md describes all of it.
"""
