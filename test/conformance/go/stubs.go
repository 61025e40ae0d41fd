package main

var rowCases, valueCases, commitCases, schemaCases, faultCases, restCases []conformanceCase
