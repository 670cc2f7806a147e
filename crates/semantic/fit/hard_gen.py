"""Writes hard-fit.jsonl and hard.jsonl: pairs that differ in one thing that matters, each with a paraphrase twin.

A family is (kind, language, ways of asking, slots, change). `change` names the slot that a negative alters,
"a<>b" for two slots that a negative swaps, or is a list: other ways of asking that mean something else.
The two parts have no family and no slot list in common.
"""
import json, os, random, re, sys
HERE = os.path.dirname(os.path.abspath(__file__))
FILES = {"hard-fit": f"{HERE}/hard-fit.jsonl", "hard": f"{HERE}/../../../tests/eval-cache/data/hard.jsonl"}

FIT = [
# numbers
("number", "en", ["How many calories are in {n} boiled eggs?", "What is the calorie count of {n} boiled eggs?", "Calories in {n} boiled eggs?", "Can you tell me how many calories {n} boiled eggs have?"], {"n": [2, 3, 4, 5, 6, 8, 12]}, "n"),
("number", "en", ["Is {n} a prime number?", "Can you tell me if {n} is prime?", "Is the number {n} prime?", "Check whether {n} is a prime number"], {"n": [91, 97, 101, 111, 119, 127, 143]}, "n"),
("number", "en", ["Write a {n} word essay about climate change", "Please write an essay of {n} words on climate change", "I need an essay on climate change with {n} words"], {"n": [200, 250, 300, 500, 800, 1000, 1500]}, "n"),
("number", "en", ["What are the top {n} tourist spots in Italy?", "Name the {n} best tourist attractions in Italy", "Give me the {n} top places for tourists in Italy", "List {n} must-see tourist spots in Italy"], {"n": [3, 5, 7, 10, 15, 20]}, "n"),
("number", "en", ["What should I eat to lose {n} kg in {m} weeks?", "Which diet helps to lose {n} kg in {m} weeks?", "How should I eat if I want to lose {n} kg within {m} weeks?"], {"n": [3, 4, 5, 7, 9], "m": [2, 6, 8, 10]}, "n"),
("number", "en", ["What is {p} percent of {n}?", "How much is {p}% of {n}?", "Calculate {p} percent of {n}", "Can you work out {p}% of {n} for me?"], {"p": [5, 8, 12, 15, 20, 35], "n": [80, 120, 250, 640, 1900]}, "p"),
("number", "en", ["How do I upgrade from Python 3.{n} to the latest version?", "What is the way to upgrade Python 3.{n} to the newest release?", "Upgrade Python 3.{n} to latest, how?"], {"n": [6, 7, 8, 9, 10, 11]}, "n"),
("number", "en", ["What is the meaning of HTTP status code {n}?", "What does HTTP status {n} mean?", "Explain the HTTP status code {n}", "HTTP {n} meaning"], {"n": [301, 302, 400, 401, 403, 404, 409, 429, 500, 502, 503]}, "n"),
("number", "de", ["Wie viele Kalorien haben {n} Äpfel?", "Kalorien von {n} Äpfeln?", "Wie hoch ist der Kaloriengehalt von {n} Äpfeln?"], {"n": [2, 3, 4, 5, 7]}, "n"),
("number", "fr", ["Donne-moi {n} idées de cadeau pour ma mère", "Quelles sont {n} idées de cadeau pour ma mère ?", "Propose {n} cadeaux pour ma mère"], {"n": [3, 5, 8, 10, 12]}, "n"),
("number", "es", ["Dame {n} recetas con pollo", "¿Cuáles son {n} recetas con pollo?", "Quiero {n} recetas de pollo"], {"n": [3, 4, 5, 6, 10]}, "n"),
("number", "en", ["Who won the World Cup in {y}?", "Which team won the {y} World Cup?", "The winner of the World Cup {y} was who?"], {"y": [1986, 1990, 1994, 1998, 2002, 2006, 2010, 2014]}, "y"),
("number", "en", ["How can I earn {n} dollars a month online?", "What are ways to earn {n} dollars per month online?", "How do I make {n} dollars monthly on the internet?"], {"n": ["one hundred", "two hundred", "five hundred", "one thousand", "three thousand"]}, "n"),
# dates
("date", "en", ["What was our revenue in {q} {y}?", "How much revenue did we make in {q} {y}?", "Show me the revenue for {q} {y}"], {"q": ["Q1", "Q2", "Q3", "Q4"], "y": [2021, 2022, 2023]}, "q"),
("date", "en", ["What is the weather in Lisbon in {m}?", "How is the weather in Lisbon during {m}?", "What's Lisbon's weather like in {m}?"], {"m": ["January", "March", "May", "July", "September", "November"]}, "m"),
("date", "en", ["Book a meeting room for {d} at 3 pm", "Please reserve a meeting room on {d} at 3 pm", "I need a meeting room on {d}, 3 pm"], {"d": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]}, "d"),
("date", "en", ["What important events happened on {d}?", "Which important events took place on {d}?", "What happened on {d} that was important?"], {"d": ["4 July 1976", "9 November 1989", "20 July 1969", "1 May 2004", "6 June 1944", "11 March 2011"]}, "d"),
("date", "de", ["Welche Feiertage gibt es im {m}?", "Was für Feiertage sind im {m}?", "Nenne die Feiertage im {m}"], {"m": ["Januar", "April", "Mai", "Oktober", "Dezember"]}, "m"),
("date", "fr", ["Quels jours sont fériés en {m} ?", "Quels sont les jours fériés du mois de {m} ?", "Liste des jours fériés en {m}"], {"m": ["janvier", "avril", "mai", "juillet", "novembre"]}, "m"),
("date", "en", ["How did the stock market do {t}?", "What did the stock market do {t}?", "How was the stock market {t}?"], {"t": ["yesterday", "today", "last week", "last month", "last year", "this week"]}, "t"),
# units
("unit", "en", ["Convert {n} {u} to meters", "How many meters are {n} {u}?", "What is {n} {u} in meters?", "{n} {u} in meters?"], {"n": [5, 12, 40, 100], "u": ["feet", "yards", "inches", "miles", "centimeters"]}, "u"),
("unit", "en", ["How much is {n} {u} in Indian rupees?", "What are {n} {u} worth in Indian rupees?", "Convert {n} {u} to Indian rupees"], {"n": [50, 100, 250], "u": ["dollars", "euros", "pounds", "yen", "francs"]}, "u"),
("unit", "en", ["Is {n}{u} of RAM enough for gaming?", "Will {n}{u} RAM be enough for gaming?", "Can I game well with {n}{u} of RAM?"], {"n": [4, 8, 16], "u": ["GB", "MB"]}, "u"),
("unit", "en", ["How long is {n} {u} in hours?", "Convert {n} {u} to hours", "How many hours are in {n} {u}?"], {"n": [3, 10, 90], "u": ["days", "minutes", "weeks", "seconds", "months"]}, "u"),
("unit", "de", ["Wie viel sind {n} {u} in Gramm?", "Rechne {n} {u} in Gramm um", "{n} {u} sind wie viel Gramm?"], {"n": [2, 5, 10], "u": ["Pfund", "Unzen", "Kilogramm", "Tonnen"]}, "u"),
("unit", "fr", ["Combien font {n} {u} en litres ?", "Convertis {n} {u} en litres", "{n} {u}, ça fait combien de litres ?"], {"n": [2, 5, 20], "u": ["gallons", "pintes", "tasses", "centilitres"]}, "u"),
# names
("name", "en", ["How old is {x}?", "What is the age of {x}?", "What's {x}'s age?", "Can you tell me how old {x} is?"], {"x": ["Tom Hanks", "Emma Stone", "Brad Pitt", "Adele", "Lionel Messi", "Bill Gates", "Elton John"]}, "x"),
("name", "en", ["What is the capital of {x}?", "Which city is the capital of {x}?", "Name the capital city of {x}", "{x}'s capital is which city?"], {"x": ["Peru", "Chile", "Norway", "Sweden", "Kenya", "Uganda", "Austria", "Hungary"]}, "x"),
("name", "en", ["How do I install {x} on Ubuntu?", "What is the way to install {x} on Ubuntu?", "Installing {x} on Ubuntu: how?", "How can I get {x} installed on Ubuntu?"], {"x": ["MySQL", "PostgreSQL", "Redis", "MongoDB", "Nginx", "Apache"]}, "x"),
("name", "en", ["What are the best universities in {x} for computer science?", "Which universities in {x} are best for computer science?", "Best computer science universities in {x}?"], {"x": ["Canada", "Germany", "Ireland", "Australia", "France", "Japan"]}, "x"),
("name", "en", ["What are the side effects of {x}?", "Which side effects does {x} have?", "Does {x} have side effects and which ones?"], {"x": ["ibuprofen", "paracetamol", "aspirin", "amoxicillin", "metformin", "omeprazole"]}, "x"),
("name", "en", ["Who is the CEO of {x}?", "Who runs {x} as CEO?", "Name of the CEO of {x}?", "Who's the chief executive of {x}?"], {"x": ["Intel", "Nvidia", "Siemens", "Sony", "Toyota", "Ford", "Oracle"]}, "x"),
("name", "en", ["What is the population of {x}?", "How many people live in {x}?", "How big is the population of {x}?"], {"x": ["Delhi", "Mumbai", "Chicago", "Boston", "Madrid", "Seville"]}, "x"),
("name", "de", ["Was ist die Hauptstadt von {x}?", "Wie heißt die Hauptstadt von {x}?", "Welche Stadt ist die Hauptstadt von {x}?"], {"x": ["Polen", "Ungarn", "Kroatien", "Litauen", "Finnland"]}, "x"),
("name", "es", ["¿Quién es el presidente de {x}?", "¿Cómo se llama el presidente de {x}?", "Dime quién es el presidente de {x}"], {"x": ["Chile", "Perú", "Uruguay", "Colombia", "Bolivia"]}, "x"),
("name", "en", ["Can I eat {x} during pregnancy?", "Is it safe to eat {x} while pregnant?", "Is eating {x} in pregnancy okay?"], {"x": ["sushi", "blue cheese", "shrimp", "pineapple", "liver", "peanuts"]}, "x"),
("name", "en", ["How do I remove {x} stains from a carpet?", "What is the best way to get {x} stains out of a carpet?", "Removing {x} stains from carpet"], {"x": ["coffee", "wine", "ink", "blood", "grease", "mud"]}, "x"),
# negation
("negation", "en", ["Which foods should I eat with diabetes?", "What foods should a diabetic eat?", "What should I eat if I have diabetes?"], {}, ["Which foods should I not eat with diabetes?", "What foods should a diabetic avoid?", "What shouldn't I eat if I have diabetes?"]),
("negation", "en", ["Why do {x} like water?", "What is the reason that {x} like water?", "How come {x} like water?"], {"x": ["dogs", "ducks", "kids", "horses", "tigers", "otters"]}, ["Why do {x} not like water?", "Why don't {x} like water?", "What is the reason that {x} don't like water?"]),
("negation", "en", ["Can I open an account with an ID card at {x}?", "Is it possible to open a {x} account with an ID card?", "How can I open an account at {x} with an ID card?"], {"x": ["the post bank", "my local bank", "a credit union", "an online broker"]}, ["Can I open an account without an ID card at {x}?", "Is it possible to open a {x} account without an ID card?", "How can I open an account at {x} with no ID card?"]),
("negation", "en", ["How do I enable {x} in Firefox?", "How can I turn on {x} in Firefox?", "Turning {x} on in Firefox, how?"], {"x": ["cookies", "pop-ups", "notifications", "extensions", "JavaScript"]}, ["How do I disable {x} in Firefox?", "How can I turn off {x} in Firefox?", "Turning {x} off in Firefox, how?"]),
("negation", "en", ["What are the advantages of {x}?", "Which advantages does {x} have?", "What are the pros of {x}?"], {"x": ["nuclear power", "remote work", "microservices", "online classes", "electric cars"]}, ["What are the disadvantages of {x}?", "Which disadvantages does {x} have?", "What are the cons of {x}?"]),
("negation", "en", ["Is it legal to {x}?", "Is {x2} legal?", "Am I legally allowed to {x}?"], {"x,x2": [("record a phone call", "recording a phone call"), ("own a ferret", "owning a ferret"), ("burn money", "burning money"), ("sleep in a car", "sleeping in a car")]}, ["Is it illegal to {x}?", "Is {x2} illegal?", "Is it against the law to {x}?"]),
("negation", "en", ["Why is {x} good for you?", "What makes {x} good for you?", "For what reasons is {x} good for you?"], {"x": ["sugar", "coffee", "running", "salt", "milk"]}, ["Why is {x} bad for you?", "What makes {x} bad for you?", "Why isn't {x} good for you?"]),
("negation", "de", ["Welche Lebensmittel darf ich bei {x} essen?", "Was darf man bei {x} essen?", "Was kann ich bei {x} essen?"], {"x": ["Gicht", "Fieber", "Durchfall", "Bluthochdruck"]}, ["Welche Lebensmittel darf ich bei {x} nicht essen?", "Was darf man bei {x} nicht essen?", "Was soll ich bei {x} nicht essen?"]),
("negation", "fr", ["Pourquoi mon {x} fonctionne ?", "Pour quelle raison mon {x} fonctionne-t-il ?"], {"x": ["ordinateur", "téléphone", "four", "chauffage"]}, ["Pourquoi mon {x} ne fonctionne pas ?", "Pour quelle raison mon {x} ne fonctionne-t-il pas ?"]),
("negation", "es", ["¿Puedo viajar con {x}?", "¿Es posible viajar con {x}?", "¿Se puede viajar con {x}?"], {"x": ["pasaporte", "visado", "seguro", "equipaje"]}, ["¿Puedo viajar sin {x}?", "¿Es posible viajar sin {x}?", "¿Se puede viajar sin {x}?"]),
("negation", "en", ["How do I increase {x}?", "What can I do to increase {x}?", "Ways to increase {x}"], {"x": ["my weight", "blood pressure", "my screen brightness", "website traffic", "the swap size"]}, ["How do I decrease {x}?", "What can I do to reduce {x}?", "Ways to lower {x}"]),
# direction
("direction", "en", ["Translate this sentence from {x} to {y}: the cat sleeps", "Please translate from {x} to {y}: the cat sleeps", "Translate the cat sleeps from {x} into {y}"], {"x,y": [("English", "German"), ("French", "English"), ("Spanish", "Italian"), ("Dutch", "Polish")]}, "x<>y"),
("direction", "en", ["Cheap flights from {x} to {y}", "Find cheap flights from {x} to {y}", "What are the cheapest flights from {x} to {y}?", "I want a cheap flight to {y} from {x}"], {"x,y": [("Paris", "Rome"), ("London", "Dublin"), ("Berlin", "Vienna"), ("Delhi", "Goa")]}, "x<>y"),
("direction", "en", ["How can I convert {x} to {y}?", "What is the way to convert {x} into {y}?", "How do I turn {x} into {y}?"], {"x,y": [("PDF", "Word"), ("JSON", "XML"), ("kinetic energy", "heat"), ("MP4", "AVI"), ("ethanol", "ethene"), ("a list", "a tuple")]}, "x<>y"),
("direction", "en", ["How do I migrate from {x} to {y}?", "What is the best way to move from {x} to {y}?", "Migrating from {x} to {y}: what are the steps?"], {"x,y": [("MySQL", "PostgreSQL"), ("Angular", "React"), ("Jenkins", "GitLab"), ("SVN", "Git")]}, "x<>y"),
("direction", "de", ["Wie komme ich von {x} nach {y}?", "Wie reise ich am besten von {x} nach {y}?", "Der beste Weg von {x} nach {y}?"], {"x,y": [("Hamburg", "Köln"), ("Bonn", "Leipzig"), ("Ulm", "Dresden")]}, "x<>y"),
("direction", "fr", ["Comment aller de {x} à {y} ?", "Quel est le meilleur trajet de {x} à {y} ?", "Comment se rendre de {x} à {y} ?"], {"x,y": [("Lyon", "Nice"), ("Lille", "Nantes"), ("Paris", "Metz")]}, "x<>y"),
("direction", "en", ["How do I copy files from {x} to {y}?", "What is the command to copy files from {x} to {y}?", "Copy files from {x} to {y}, how?"], {"x,y": [("my laptop", "a server"), ("an iPhone", "a PC"), ("a container", "the host"), ("a USB stick", "my Mac")]}, "x<>y"),
# order
("order", "en", ["What does {x} think of {y}?", "What is {x}'s opinion of {y}?", "What opinion does {x} have about {y}?"], {"x,y": [("Obama", "Putin"), ("Ronaldo", "Messi"), ("Musk", "Bezos"), ("Batman", "Superman")]}, "x<>y"),
("order", "en", ["Should I do {x} after {y}?", "Is it a good idea to do {x} after {y}?", "Does doing {x} after {y} make sense?"], {"x,y": [("an MBA", "engineering"), ("yoga", "running"), ("law", "commerce"), ("cardio", "weights")]}, "x<>y"),
("order", "en", ["Is {x} better than {y}?", "Would you say {x} is better than {y}?", "Is {x} superior to {y}?"], {"x,y": [("Java", "Python"), ("Android", "iOS"), ("tea", "coffee"), ("Intel", "AMD")]}, "x<>y"),
("order", "en", ["Why did {x} attack {y}?", "What was the reason {x} attacked {y}?", "For what reason did {x} attack {y}?"], {"x,y": [("Athens", "Sparta"), ("Japan", "Russia"), ("Rome", "Carthage"), ("Iraq", "Iran")]}, "x<>y"),
("order", "en", ["How much taller is {x} than {y}?", "By how much is {x} taller than {y}?", "{x} is how much taller than {y}?"], {"x,y": [("LeBron", "Curry"), ("the Burj Khalifa", "the Eiffel Tower"), ("Everest", "K2")]}, "x<>y"),
("order", "de", ["Warum hasst {x} {y}?", "Aus welchem Grund hasst {x} {y}?", "Wieso hasst {x} {y}?"], {"x,y": [("Tom", "Jerry"), ("Kain", "Abel"), ("Hagen", "Siegfried")]}, "x<>y"),
("order", "es", ["¿Por qué {x} dejó a {y}?", "¿Cuál fue la razón por la que {x} dejó a {y}?", "¿Por qué motivo dejó {x} a {y}?"], {"x,y": [("Shakira", "Piqué"), ("Ana", "Luis"), ("Marta", "Pedro")]}, "x<>y"),
# language
("language", "en", ["Translate good morning into {l}", "How do you say good morning in {l}?", "What is good morning in {l}?", "Say good morning in {l}"], {"l": ["German", "French", "Spanish", "Italian", "Russian", "Hindi"]}, "l"),
("language", "en", ["Write a thank you letter in {l}", "Please write me a thank-you letter in {l}", "I need a thank you letter in {l}"], {"l": ["German", "French", "English", "Polish", "Korean"]}, "l"),
("language", "en", ["How do I read a file line by line in {l}?", "What is the way to read a file line by line in {l}?", "Reading a file line by line in {l}"], {"l": ["Python", "Java", "Go", "Ruby", "Rust", "Perl"]}, "l"),
("language", "en", ["How do I change my password?", "How can I change my password?", "What do I do to change my password?"], {}, ["Wie ändere ich mein Passwort?", "Comment changer mon mot de passe ?", "¿Cómo cambio mi contraseña?"]),
("language", "de", ["Wo finde ich meine Rechnung?", "Wo kann ich meine Rechnung finden?", "Wo ist meine Rechnung zu finden?"], {}, ["Where do I find my invoice?", "Où est-ce que je trouve ma facture ?", "¿Dónde encuentro mi factura?"]),
("language", "en", ["What is the capital of Spain?", "Which city is the capital of Spain?", "Name Spain's capital"], {}, ["Was ist die Hauptstadt von Spanien?", "Quelle est la capitale de l'Espagne ?", "¿Cuál es la capital de España?"]),
("language", "de", ["Übersetze guten Abend ins {l}", "Wie sagt man guten Abend auf {l}?", "Was heißt guten Abend auf {l}?"], {"l": ["Englische", "Spanische", "Polnische", "Türkische"]}, "l"),
# code
("code", "en", ["What does the function {f} do in Python?", "What is the Python function {f} for?", "Explain Python's {f}", "What's {f} used for in Python?"], {"f": ["os.path.join", "os.path.split", "str.lstrip", "str.rstrip", "itertools.chain", "itertools.cycle"]}, "f"),
("code", "en", ["How do I use {f} in Rust?", "What is the use of {f} in Rust and how do I use it?", "Using {f} in Rust, how does it work?"], {"f": ["HashMap", "HashSet", "BTreeMap", "RefCell", "Rc", "Arc"]}, "f"),
("code", "en", ["Why does {f} return None?", "What makes {f} return None?", "Why is None returned by {f}?"], {"f": ["get_user()", "get_users()", "load_config()", "load_configs()", "find_by_id()", "find_by_name()"]}, "f"),
("code", "en", ["What does git {f} do?", "What is git {f} for?", "Explain the git {f} command", "Can you explain git {f}?"], {"f": ["rebase", "merge", "fetch", "pull", "stash", "cherry-pick"]}, "f"),
("code", "en", ["What is the difference between {x} and {y} in Java?", "How do {x} and {y} differ in Java?", "{x} vs {y} in Java: what's the difference?"], {"x": ["ArrayList", "HashMap"], "y": ["Vector", "LinkedList", "TreeMap", "Hashtable"]}, "y"),
("code", "en", ["Fix the bug in `{f}`", "There is a bug in `{f}`, please fix it", "Please fix the bug in `{f}`"], {"f": ["parse_args", "parse_argv", "parseHeader", "parseHeaders", "user_id", "userId"]}, "f"),
("code", "en", ["How do I set the {f} option in webpack?", "How can I set webpack's {f} option?", "Setting {f} in webpack, how?"], {"f": ["--mode", "--watch", "--config", "--env"]}, "f"),
("code", "de", ["Was macht der Befehl {f}?", "Wofür ist der Befehl {f}?", "Erkläre den Befehl {f}"], {"f": ["chmod", "chown", "grep -v", "grep -i", "kill -9"]}, "f"),
]

TEST = [
("number", "en", ["How long do I have to roast a {n} pound turkey?", "What is the roasting time for a {n} pound turkey?", "How long does a {n} pound turkey need in the oven?", "Roasting time of a turkey that weighs {n} pounds?"], {"n": [9, 11, 14, 16, 18, 22]}, "n"),
("number", "en", ["Summarise this report in {n} bullet points", "Please summarize the report in {n} bullet points", "Give me a summary of this report with {n} bullets", "Can you summarise this report as {n} bullet points?"], {"n": [2, 4, 6, 9, 30]}, "n"),
("number", "en", ["What is the square root of {n}?", "Find the square root of {n}", "Compute the square root of {n} please", "Tell me what the square root of {n} is"], {"n": [49, 64, 196, 225, 841, 1024]}, "n"),
("number", "en", ["Can I retire at {n} with a pension?", "Is it possible to retire at the age of {n} with a pension?", "Am I able to retire at {n} and get a pension?"], {"n": [52, 55, 58, 60, 63, 66]}, "n"),
("number", "en", ["What changed in Kubernetes 1.{n}?", "What are the changes in Kubernetes 1.{n}?", "What's new in Kubernetes version 1.{n}?", "Which changes came with Kubernetes 1.{n}?"], {"n": [21, 24, 25, 27, 29]}, "n"),
("number", "en", ["Which laptop is best under {n} dollars?", "What is the best laptop below {n} dollars?", "Best laptop for less than {n} dollars?", "What's the best laptop I can buy under {n} dollars?"], {"n": ["400", "650", "700", "1,200", "900"]}, "n"),
("number", "de", ["Nenne mir {n} gute Bücher über Geschichte", "Welche {n} Bücher über Geschichte sind gut?", "Ich suche {n} gute Bücher über Geschichte"], {"n": [4, 6, 11, "zwei", "drei", "sieben"]}, "n"),
("number", "fr", ["Comment économiser {n} euros par mois ?", "Comment mettre de côté {n} euros chaque mois ?", "Comment faire pour économiser {n} euros par mois ?"], {"n": [60, 150, 220, 450, 700]}, "n"),
("number", "es", ["¿Cómo aprobar un examen en {n} días?", "¿Qué hago para aprobar un examen en {n} días?", "¿De qué manera puedo aprobar un examen en {n} días?"], {"n": [4, 7, 9, 21, "tres", "cinco"]}, "n"),
("date", "en", ["Which movies were released in {m} {y}?", "What movies came out in {m} {y}?", "List the films released in {m} {y}"], {"m": ["February", "April", "June", "August", "October"], "y": [1999, 2007, 2016, 2019]}, "m"),
("date", "en", ["How many customers did we lose in {y}?", "What number of customers did we lose in {y}?", "In {y}, how many customers did we lose?", "How many customers were lost in {y}?"], {"y": [2015, 2017, 2018, 2020, 2024, 2025]}, "y"),
("date", "en", ["What are the opening hours on {d}?", "When are you open on {d}?", "Opening hours for {d}?", "On {d}, what are your opening hours?"], {"d": ["Saturday", "Sunday", "Easter Monday", "Christmas Eve", "New Year's Day"]}, "d"),
("date", "de", ["Wie wird das Wetter am {d} in Graz?", "Wie ist das Wetter in Graz am {d}?", "Was für Wetter haben wir am {d} in Graz?"], {"d": ["Montag", "Dienstag", "Mittwoch", "Samstag", "Sonntag"]}, "d"),
("date", "es", ["¿Qué fiestas hay en {m} en Sevilla?", "¿Cuáles son las fiestas de Sevilla en {m}?", "Dime qué fiestas hay en Sevilla en {m}"], {"m": ["febrero", "marzo", "junio", "agosto", "octubre"]}, "m"),
("date", "en", ["Remind me to call the dentist on {d}", "Set a reminder to call the dentist on {d}", "Please remind me on {d} to call the dentist"], {"d": ["2024-03-05", "2024-05-03", "12/08/2024", "08/12/2024", "3 June", "13 June"]}, "d"),
("unit", "en", ["How many {u} are in {n} kilometers?", "Convert {n} kilometers to {u}", "What is {n} kilometers in {u}?", "{n} kilometers equals how many {u}?"], {"n": [7, 15, 42], "u": ["furlongs", "nautical miles", "light seconds", "millimeters", "leagues"]}, "u"),
("unit", "en", ["What does {n} {u} of gold cost?", "What is the price of {n} {u} of gold?", "How much do {n} {u} of gold cost?"], {"n": [2, 6, 20], "u": ["grams", "ounces", "kilos", "tonnes"]}, "u"),
("unit", "en", ["Is {n} °{u} a fever?", "Does {n} °{u} count as a fever?", "Is a temperature of {n} °{u} considered a fever?"], {"n": [38, 39, 99, 101], "u": ["C", "F"]}, "u"),
("unit", "en", ["How long does it take to download {n} {u}?", "What time does a download of {n} {u} take?", "How much time is needed to download {n} {u}?"], {"n": [3, 25, 70], "u": ["gigabytes", "megabytes", "terabytes", "kilobytes"]}, "u"),
("unit", "de", ["Wie viele Meter sind {n} {u}?", "Was sind {n} {u} in Metern?", "{n} {u} in Meter umrechnen"], {"n": [4, 13, 50], "u": ["Meilen", "Zoll", "Fuß", "Kilometer"]}, "u"),
("unit", "es", ["¿Cuánto son {n} {u} en pesos?", "¿A cuántos pesos equivalen {n} {u}?", "Convierte {n} {u} a pesos"], {"n": [30, 80, 500], "u": ["dólares", "euros", "libras", "reales"]}, "u"),
("name", "en", ["What did {x} invent?", "Which things did {x} invent?", "What inventions were made by {x}?", "What are the inventions of {x}?"], {"x": ["Nikola Tesla", "Thomas Edison", "Alfred Nobel", "James Watt", "Alan Turing", "Louis Pasteur"]}, "x"),
("name", "en", ["Do I need a visa for {x}?", "Is a visa required for {x}?", "Will I need a visa to travel to {x}?", "Does travelling to {x} require a visa?"], {"x": ["Vietnam", "Thailand", "Turkey", "Georgia", "Morocco", "Egypt", "Brazil"]}, "x"),
("name", "en", ["How do I deploy a container on {x}?", "What is the way to deploy a container on {x}?", "How can I run a container on {x}?", "Deploying a container on {x}: how do I do it?"], {"x": ["AWS", "Azure", "Heroku", "Fly", "OpenShift", "DigitalOcean"]}, "x"),
("name", "en", ["What are the symptoms of {x}?", "Which symptoms does {x} have?", "How do I recognise {x} by its symptoms?", "What symptoms come with {x}?"], {"x": ["measles", "mumps", "malaria", "dengue", "hepatitis A", "hepatitis B", "scurvy"]}, "x"),
("name", "en", ["What is the refund policy of {x}?", "How does the refund policy of {x} work?", "Can you explain {x}'s refund policy?", "What's {x}'s policy on refunds?"], {"x": ["Ryanair", "easyJet", "Lufthansa", "Zalando", "Etsy", "Steam"]}, "x"),
("name", "en", ["How do I cook {x} in an air fryer?", "What is the best way to cook {x} in an air fryer?", "Cooking {x} in an air fryer, how?", "How should {x} be cooked in an air fryer?"], {"x": ["salmon", "tofu", "bacon", "zucchini", "cod", "chickpeas"]}, "x"),
("name", "de", ["Wer hat {x} geschrieben?", "Von wem ist {x}?", "Wer ist der Autor von {x}?"], {"x": ["Faust", "Die Räuber", "Der Prozess", "Nathan der Weise", "Effi Briest"]}, "x"),
("name", "fr", ["Quels sont les ingrédients de la {x} ?", "De quoi est faite la {x} ?", "Quels ingrédients faut-il pour la {x} ?"], {"x": ["ratatouille", "bouillabaisse", "quiche", "tartiflette", "choucroute"]}, "x"),
("name", "en", ["What is the phone number of the {x} department?", "How can I reach the {x} department by phone?", "Which number do I call for the {x} department?"], {"x": ["billing", "sales", "legal", "payroll", "shipping", "support"]}, "x"),
("negation", "en", ["Which plants are safe for cats?", "What plants are safe to have with cats?", "Which plants can I keep safely around cats?"], {}, ["Which plants are not safe for cats?", "What plants are unsafe to have with cats?", "Which plants can't I keep safely around cats?"]),
("negation", "en", ["Why do {x} need sleep?", "What is the reason {x} need sleep?", "How come {x} need sleep?"], {"x": ["sharks", "ants", "babies", "plants", "athletes"]}, ["Why do {x} not need sleep?", "Why don't {x} need sleep?", "What is the reason {x} never need sleep?"]),
("negation", "en", ["How do I bake {x} with eggs?", "How can {x} be baked with eggs?", "What is a recipe for {x} with eggs?"], {"x": ["brownies", "muffins", "pancakes", "sponge cake", "cookies"]}, ["How do I bake {x} without eggs?", "How can {x} be baked without eggs?", "What is a recipe for {x} with no eggs?"]),
("negation", "en", ["Should I invest in {x} now?", "Is now a time when I should invest in {x}?", "Do you think I should invest in {x} now?"], {"x": ["gold", "bonds", "real estate", "tech stocks", "index funds"]}, ["Should I not invest in {x} now?", "Why shouldn't I invest in {x} now?", "Do you think I shouldn't invest in {x} now?"]),
("negation", "en", ["How do I activate {x} on my router?", "How can I switch on {x} on my router?", "What is the way to activate {x} on a router?"], {"x": ["UPnP", "the firewall", "WPS", "guest Wi-Fi", "IPv6"]}, ["How do I deactivate {x} on my router?", "How can I switch off {x} on my router?", "What is the way to deactivate {x} on a router?"]),
("negation", "en", ["What are the benefits of {x}?", "Which benefits does {x} bring?", "What benefits come from {x}?"], {"x": ["fasting", "outsourcing", "serverless", "coworking", "meditation"]}, ["What are the drawbacks of {x}?", "Which drawbacks does {x} bring?", "What harm comes from {x}?"]),
("negation", "en", ["Is the {x} plan refundable?", "Can the {x} plan be refunded?", "Is it possible to get a refund for the {x} plan?"], {"x": ["Pro", "Team", "Basic", "annual"]}, ["Is the {x} plan non-refundable?", "Can the {x} plan not be refunded?", "Is it impossible to get a refund for the {x} plan?"]),
("negation", "de", ["Warum funktioniert {x}?", "Wieso funktioniert {x}?", "Aus welchem Grund funktioniert {x}?"], {"x": ["mein Drucker", "das WLAN", "die Heizung", "mein Mikrofon"]}, ["Warum funktioniert {x} nicht?", "Wieso funktioniert {x} nicht?", "Aus welchem Grund funktioniert {x} nicht?"]),
("negation", "fr", ["Peut-on louer une voiture avec {x} ?", "Est-il possible de louer une voiture avec {x} ?", "Comment louer une voiture avec {x} ?"], {"x": ["carte de crédit", "permis", "caution", "assurance"]}, ["Peut-on louer une voiture sans {x} ?", "Est-il possible de louer une voiture sans {x} ?", "Comment louer une voiture sans {x} ?"]),
("negation", "es", ["¿Por qué carga mi {x}?", "¿Por qué razón carga mi {x}?"], {"x": ["móvil", "portátil", "reloj", "tableta"]}, ["¿Por qué no carga mi {x}?", "¿Por qué razón no carga mi {x}?"]),
("direction", "en", ["Train times from {x} to {y}", "What are the train times from {x} to {y}?", "When do trains go from {x} to {y}?", "Show trains to {y} from {x}"], {"x,y": [("Oslo", "Bergen"), ("Leeds", "York"), ("Kyoto", "Osaka"), ("Porto", "Faro"), ("Lucerne", "Basel")]}, "x<>y"),
("direction", "en", ["Translate the attached contract from {x} into {y}", "Please translate the attached contract from {x} to {y}", "I need this contract translated from {x} to {y}"], {"x,y": [("Japanese", "English"), ("Portuguese", "French"), ("Danish", "German"), ("Czech", "Hungarian")]}, "x<>y"),
("direction", "en", ["Convert {x} to {y}", "How do I convert {x} into {y}?", "Change {x} into {y}, how?", "What turns {x} into {y}?"], {"x,y": [("CSV", "Parquet"), ("toluene", "benzene"), ("Celsius", "Fahrenheit"), ("YAML", "TOML"), ("nitrogen", "ammonia"), ("Word", "LaTeX")]}, "x<>y"),
("direction", "en", ["How do I transfer money from {x} to {y}?", "What is the way to transfer money from {x} to {y}?", "Can I send money from {x} to {y}, and how?"], {"x,y": [("PayPal", "Venmo"), ("Canada", "India"), ("checking", "savings"), ("Revolut", "Wise")]}, "x<>y"),
("direction", "en", ["How can I port an app from {x} to {y}?", "What do I have to do to port an app from {x} to {y}?", "Porting an app from {x} to {y}, how?"], {"x,y": [("Vue", "Svelte"), ("Windows", "Linux"), ("Flask", "Django"), ("Kotlin", "Swift")]}, "x<>y"),
("direction", "de", ["Übersetze den Text vom {x} ins {y}", "Bitte übersetze diesen Text vom {x} ins {y}", "Kannst du den Text vom {x} ins {y} übersetzen?"], {"x,y": [("Englischen", "Deutsche"), ("Deutschen", "Englische"), ("Französischen", "Italienische"), ("Italienischen", "Französische")]}, "pair"),
("direction", "fr", ["Combien de temps dure le vol de {x} à {y} ?", "Quelle est la durée du vol de {x} à {y} ?", "Le vol de {x} à {y} dure combien de temps ?"], {"x,y": [("Genève", "Tunis"), ("Bruxelles", "Dakar"), ("Bordeaux", "Rabat")]}, "x<>y"),
("direction", "es", ["¿Cómo voy de {x} a {y} en tren?", "¿Cuál es la mejor manera de ir de {x} a {y} en tren?", "Ir en tren de {x} a {y}, ¿cómo?"], {"x,y": [("Bilbao", "Vigo"), ("Toledo", "Cádiz"), ("Málaga", "Murcia")]}, "x<>y"),
("order", "en", ["Can {x} beat {y}?", "Would {x} be able to beat {y}?", "Is {x} able to beat {y}?"], {"x,y": [("Thor", "Hulk"), ("Nadal", "Federer"), ("Chelsea", "Arsenal"), ("a bear", "a lion")]}, "x<>y"),
("order", "en", ["Should I take {x} before {y}?", "Is it right to take {x} before {y}?", "Do I have to take {x} before {y}?"], {"x,y": [("calculus", "statistics"), ("vitamin D", "magnesium"), ("the GRE", "the TOEFL"), ("breakfast", "my pills")]}, "x<>y"),
("order", "en", ["Why does {x} owe money to {y}?", "What is the reason {x} owes {y} money?", "How come {x} owes money to {y}?"], {"x,y": [("Greece", "Germany"), ("Anna", "Ben"), ("Zambia", "China"), ("the club", "the city")]}, "x<>y"),
("order", "en", ["What did {x} say about {y}?", "What were the words of {x} about {y}?", "Tell me what {x} said about {y}"], {"x,y": [("Kant", "Hume"), ("Bryant", "James"), ("Newton", "Leibniz"), ("Marx", "Hegel")]}, "x<>y"),
("order", "en", ["How do I subtract {x} from {y}?", "What is the way to subtract {x} from {y}?", "Subtracting {x} from {y}, how is it done?"], {"x,y": [("row A", "row B"), ("the tax", "the price"), ("a start time", "an end time")]}, "x<>y"),
("order", "en", ["Is {x} cheaper than {y}?", "Would {x} be cheaper than {y}?", "Does {x} cost less than {y}?"], {"x,y": [("Aldi", "Lidl"), ("gas", "electricity"), ("Porto", "Lisbon"), ("S3", "Glacier")]}, "x<>y"),
("order", "de", ["Warum verließ {x} {y}?", "Weshalb verließ {x} {y}?", "Was war der Grund, dass {x} {y} verließ?"], {"x,y": [("Anna", "Karl"), ("Goethe", "Lotte"), ("Eva", "Jonas")]}, "x<>y"),
("order", "fr", ["Est-ce que {x} est plus grand que {y} ?", "{x} est-il plus grand que {y} ?", "Dis-moi si {x} est plus grand que {y}"], {"x,y": [("Mars", "Mercure"), ("le Mali", "le Tchad"), ("Pierre", "Jean")]}, "x<>y"),
("language", "en", ["How do you write happy birthday in {l}?", "What is happy birthday in {l}?", "Write happy birthday in {l}", "Give me happy birthday in {l}"], {"l": ["Turkish", "Greek", "Arabic", "Swedish", "Finnish", "Welsh"]}, "l"),
("language", "en", ["How do I sort a map by value in {l}?", "What is the way to sort a map by its values in {l}?", "Sorting a map by value in {l}, how?"], {"l": ["Kotlin", "Scala", "C++", "C#", "JavaScript", "TypeScript", "Dart"]}, "l"),
("language", "en", ["Answer the following customer complaint in {l}", "Please answer this customer complaint in {l}", "Write an answer to the following customer complaint in {l}"], {"l": ["Dutch", "Portuguese", "Japanese", "Danish", "Czech"]}, "l"),
("language", "en", ["How can I cancel my subscription?", "How do I cancel my subscription?", "What must I do to cancel my subscription?"], {}, ["Wie kann ich mein Abo kündigen?", "Comment puis-je annuler mon abonnement ?", "¿Cómo puedo cancelar mi suscripción?"]),
("language", "es", ["¿Dónde está mi pedido?", "¿Dónde se encuentra mi pedido?", "¿Me puedes decir dónde está mi pedido?"], {}, ["Where is my order?", "Wo ist meine Bestellung?", "Où est ma commande ?"]),
("language", "fr", ["Quelle est la population de Paris ?", "Combien d'habitants compte Paris ?", "Paris compte combien d'habitants ?"], {}, ["What is the population of Paris?", "Wie viele Einwohner hat Paris?", "¿Cuál es la población de París?"]),
("language", "de", ["Schreibe eine Absage auf {l}", "Bitte verfasse eine Absage auf {l}", "Formuliere mir eine Absage auf {l}"], {"l": ["Englisch", "Französisch", "Spanisch", "Deutsch"]}, "l"),
("code", "en", ["How does the {f} method work in pandas?", "How do I use pandas {f}?", "What is the pandas method {f} for?", "Can you explain how {f} works in pandas?"], {"f": ["groupby", "pivot_table", "df.loc", "df.iloc", "merge_asof", "fillna", "dropna"]}, "f"),
("code", "en", ["Write a unit test for `{f}`", "Please write a unit test for `{f}`", "I need a unit test for `{f}`", "Can you write unit tests for `{f}`?"], {"f": ["compute_tax", "compute_taxes", "validateEmail", "validate_email", "OrderService", "OrderServer"]}, "f"),
("code", "en", ["What does the error {f} mean?", "What is the meaning of the error {f}?", "Explain the error {f}", "I get the error {f}, what does it mean?"], {"f": ["ENOENT", "EACCES", "ECONNRESET", "E0382", "E0502", "NullPointerException", "IndexError"]}, "f"),
("code", "en", ["What does the {f} flag do in curl?", "What is curl's {f} flag for?", "Explain the curl flag {f}", "In curl, what does {f} do?"], {"f": ["-k", "-L", "-X", "--data", "--head", "-o", "-O"]}, "f"),
("code", "en", ["How do I mock {f} in a test?", "What is the way to mock {f} in tests?", "Mocking {f} in a test, how?"], {"f": ["fetch", "axios.get", "axios.post", "fs.readFile", "fs.writeFile", "Date.now"]}, "f"),
("code", "en", ["Where is {f} defined in the codebase?", "Where can I find the definition of {f} in the codebase?", "In which file of the codebase is {f} defined?"], {"f": ["AppState", "AppStore", "init_db", "init_log", "MAX_RETRIES", "MAX_RETRY_MS"]}, "f"),
("code", "de", ["Wie benutze ich {f} in SQL?", "Wie verwendet man {f} in SQL?", "Wie setzt man {f} in SQL ein?"], {"f": ["LEFT JOIN", "RIGHT JOIN", "GROUP BY", "ORDER BY", "UNION ALL"]}, "f"),
("code", "fr", ["À quoi sert la commande {f} ?", "Que fait la commande {f} ?", "Explique la commande {f}"], {"f": ["docker ps", "docker rm", "docker rmi", "tar -x", "tar -c"]}, "f"),
]

def fill(t, s): return t.format(**{k: str(v) for k, v in s.items()})

def draw(slots, r):
    s = {}
    for k, vs in slots.items():
        v = r.choice(vs)
        if "," in k: s.update(zip(k.split(","), v))
        else: s[k] = v
    return s

def family(f, r, count):
    kind, lang, ways, slots, change = f
    out = []; seen = set(); tries = 0
    while sum(1 for o in out if not o["same"]) < count and tries < 400:
        tries += 1
        s = draw(slots, r); wa, wb = r.sample(range(len(ways)), 2)
        a = fill(ways[wa], s); pos = fill(ways[wb], s)
        wn = wa if r.random() < 0.6 else r.randrange(len(ways))
        if isinstance(change, list): neg = fill(r.choice(change), s)
        elif change == "pair":
            t = draw(slots, r)
            if t == s: continue
            neg = fill(ways[wn], t)
        elif "<>" in change:
            x, y = change.split("<>"); t = dict(s); t[x], t[y] = s[y], s[x]; neg = fill(ways[wn], t)
        else:
            t = dict(s); t[change] = r.choice(slots[change])
            if t[change] == s[change]: continue
            neg = fill(ways[wn], t)
        if (a, neg) in seen or (a, pos) in seen: continue
        seen |= {(a, neg), (a, pos), (neg, a), (pos, a)}
        for b, same in ((pos, True), (neg, False)):
            out.append({"a": a, "b": b, "same": same, "kind": kind, "lang": lang} if r.random() < .5 else {"a": b, "b": a, "same": same, "kind": kind, "lang": lang})
    return out

def main():
    for name, fams, seed, per in (("hard-fit", FIT, 1, 14), ("hard", TEST, 2, 10)):
        r = random.Random(seed); rows = [o for f in fams for o in family(f, r, per)]
        if name == "hard":
            # Twins stay together: rows come as positive, negative.
            twins = [rows[i:i + 2] for i in range(0, len(rows), 2)]; r.shuffle(twins); rows = [x for t in twins[:620] for x in t]
        r.shuffle(rows)
        with open(FILES[name], "w") as f:
            for o in rows: f.write(json.dumps(o, ensure_ascii=False) + "\n")
        from collections import Counter
        print(name, len(rows), sum(o["same"] for o in rows), Counter((o["kind"]) for o in rows), Counter(o["lang"] for o in rows))

if __name__ == "__main__": main()
